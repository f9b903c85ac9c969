"""The state database of one machine and of many: what its users may rely on."""

from __future__ import annotations

from common.state_database import StateDatabase
from tests.support.warehouse import minute
from warehouse.state.alerts import Alert, AlertStore

ALERT = Alert("auth.failed", "cs2cap", "", "the key was revoked")


def test_tag_differs_between_two_states(state: StateDatabase) -> None:
    alerts = AlertStore(state)
    tags = [state.tag("alert")]
    alerts.raise_alert(ALERT, minute(0))
    tags.append(state.tag("alert"))
    alerts.raise_alert(ALERT, minute(1))
    tags.append(state.tag("alert"))
    assert len(set(tags)) == 3
    assert state.tag("alert") == tags[-1]


def test_rows_have_their_values_by_name_and_by_position(state: StateDatabase) -> None:
    AlertStore(state).raise_alert(ALERT, minute(0))
    with state.read("alert") as db:
        row = db.execute("SELECT source, repeats FROM alert WHERE cause = :cause", {"cause": "auth.failed"})
        (found,) = row.fetchall()
    source, repeats = found
    assert (source, repeats) == (found["source"], found["repeats"]) == (found[0], found[1]) == ("cs2cap", 0)
    assert {**found} == {"source": "cs2cap", "repeats": 0}

"""Alerts in `state.db`: one open for each cause, whoever raises it."""

import subprocess
import sys
from pathlib import Path

import pytest

from common.errors import WarehouseUnusable
from tests.support.warehouse import home_in, land, load, look, minute, rows
from warehouse.state.alerts import Alert, AlertStore

REVOKED = Alert(
    "auth.failed", "cs2cap", "", "the key was revoked", code="AUTH_API_KEY_REVOKED", guidance="a new key"
)
RAISE = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from warehouse.state.alerts import Alert, AlertStore
state = AlertStore(Path(sys.argv[1]))
alert = Alert("auth.failed", "cs2cap", "", "revoked")
print(sum(state.raise_alert(alert, datetime.now(UTC)) for _ in range(50)))
"""


def test_a_repeat_counts_and_tells_the_newest(tmp_path: Path) -> None:
    state = AlertStore(tmp_path / "state.db")
    assert state.raise_alert(REVOKED, minute(0))
    assert not state.raise_alert(Alert("auth.failed", "cs2cap", "", "still revoked", run_id="b"), minute(10))

    (alert,) = state.list_alerts(open_only=True)
    assert (alert.message, alert.run_id, alert.repeats) == ("still revoked", "b", 1)
    assert (alert.opened_at, alert.last_at, alert.closed_at) == (minute(0), minute(10), None)


def test_other_causes_sources_and_subjects_stand_apart(tmp_path: Path) -> None:
    state = AlertStore(tmp_path / "state.db")
    others = [
        Alert("quota.exhausted", "cs2cap", "", "m"), Alert("auth.failed", "other", "", "m"),
        Alert("auth.failed", "cs2cap", "core", "m"),
    ]  # fmt: skip
    assert all(state.raise_alert(alert, minute(0)) for alert in (REVOKED, *others))
    assert state.resolve("auth.failed", "cs2cap", "", minute(1))
    assert [(a.cause, a.source, a.subject) for a in state.list_alerts(open_only=True)] == [
        (a.cause, a.source, a.subject) for a in reversed(others)
    ]


def test_a_resolved_alert_opens_anew(tmp_path: Path) -> None:
    state = AlertStore(tmp_path / "state.db")
    state.raise_alert(REVOKED, minute(0))
    assert state.resolve("auth.failed", "cs2cap", "", minute(5))
    assert not state.resolve("auth.failed", "cs2cap", "", minute(6))
    assert state.raise_alert(REVOKED, minute(10))
    assert [(a.opened_at, a.closed_at) for a in state.list_alerts()] == [
        (minute(10), None),
        (minute(0), minute(5)),
    ]


def test_someone_clears_an_alert_by_its_number(tmp_path: Path) -> None:
    state = AlertStore(tmp_path / "state.db")
    state.raise_alert(REVOKED, minute(0))
    number = state.list_alerts()[0].alert_id
    assert number is not None
    assert not state.clear(number + 1, minute(1))
    assert state.clear(number, minute(1))
    assert not state.clear(number, minute(2))
    assert state.list_alerts(open_only=True) == []


def test_several_processes_raise_one_alert(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    raising = [
        subprocess.Popen(
            [sys.executable, "-c", RAISE, str(path)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
        )
        for _ in range(3)
    ]
    new = [int(process.communicate(timeout=60)[0]) for process in raising]

    assert sorted(new) == [0, 0, 1]
    assert [alert.repeats for alert in AlertStore(path).list_alerts()] == [149]


def test_alerts_are_mirrored_for_analysts(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    state = AlertStore(home.state)
    state.raise_alert(REVOKED, minute(0))
    land(home, "a", look(minute(0)))
    load(home)
    state.resolve("auth.failed", "cs2cap", "", minute(5))
    load(home)
    assert rows(home, "SELECT cause, code, guidance, opened_at, repeats, closed_at FROM alerts") == [
        ("auth.failed", "AUTH_API_KEY_REVOKED", "a new key", minute(0), 0, minute(5))
    ]


def test_a_place_without_a_folder_is_unfit(tmp_path: Path) -> None:
    with pytest.raises(WarehouseUnusable, match="cannot write to"):
        AlertStore(tmp_path / "missing" / "state.db")

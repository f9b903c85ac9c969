"""Alert rules: one open alert per cause, repeated or resolved by later runs; no run hides another's."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from common.errors import KeyRevoked, PlanForbids, QuotaExhausted, SourceError
from common.sqlite_state import SqliteState
from pipelines.alerts.rules import raise_alerts
from pipelines.exit_codes import run_state
from pipelines.results import RunResult
from tests.support.clocks import NOON
from warehouse.loading.run import LoadReport, SuspectProvider
from warehouse.state.alerts import Alert, AlertStore

AlertKey = tuple[str, str, str]


@pytest.fixture
def alerts(tmp_path: Path) -> AlertStore:
    return AlertStore(SqliteState(tmp_path / "state.db"))


def run_result(
    error: SourceError | None = None,
    *,
    basket: str = "core",
    source: str = "cs2cap",
    complete: bool = True,
    run: int = 1,
) -> RunResult:
    """Return the result of a run that ended with this error, or succeeded."""
    outcome = run_state(error, complete=complete)
    return RunResult(f"run-{basket}-{run}", basket, source, outcome, requests=1, pages=1, error=error)


def load_report(*suspects: str, brought: tuple[str, ...] = (), source: str = "cs2cap") -> LoadReport:
    reasons = tuple(SuspectProvider(provider, "it is down") for provider in suspects)
    return LoadReport("run-core", source, "core", "done", held=reasons, brought=brought)


def opened(alerts: AlertStore) -> set[AlertKey]:
    return {(alert.cause, alert.source, alert.subject) for alert in alerts.list_alerts(open_only=True)}


REVOKED = KeyRevoked("revoked", "cs2cap", "AUTH_API_KEY_REVOKED", 401)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (REVOKED, "auth.failed"),
        (QuotaExhausted("used up", "cs2cap"), "quota.exhausted"),
        (PlanForbids("not in this tier", "cs2cap"), "plan.forbids"),
    ],
)
def test_alert_of_a_stopped_source_is_open_until_a_run_of_it_succeeds(
    alerts: AlertStore, error: SourceError, cause: str
) -> None:
    (raised,) = raise_alerts(alerts, [run_result(error)], [], now=NOON)
    assert (raised.cause, raised.message, raised.guidance) == (cause, str(error), error.guidance)
    assert raise_alerts(alerts, [run_result(error)], [], now=NOON) == []
    raise_alerts(alerts, [run_result(source="other")], [], now=NOON)
    assert opened(alerts) == {(cause, "cs2cap", "")}
    raise_alerts(alerts, [run_result(basket="another")], [], now=NOON)
    assert opened(alerts) == set()


@pytest.mark.parametrize("order", [1, -1])
def test_successful_basket_does_not_hide_the_rejected_key_of_the_next(alerts: AlertStore, order: int) -> None:
    runs = [run_result(), run_result(REVOKED, basket="next")]
    raise_alerts(alerts, runs[::order], [], now=NOON)
    assert opened(alerts) == {("auth.failed", "cs2cap", "")}


def test_one_snapshot_raises_a_cause_once_for_all_its_baskets(alerts: AlertStore) -> None:
    for run, repeats in ((1, 0), (1, 0), (2, 1)):  # each run raises before and after the load
        results = [run_result(REVOKED, run=run), run_result(REVOKED, basket="next", run=run)]
        raise_alerts(alerts, results, [], now=NOON)
        assert [alert.repeats for alert in alerts.list_alerts()] == [repeats]


def test_alert_of_an_incomplete_basket_is_open_until_a_complete_run(alerts: AlertStore) -> None:
    raise_alerts(alerts, [run_result(complete=False), run_result(basket="other")], [], now=NOON)
    assert opened(alerts) == {("snapshot.incomplete", "cs2cap", "core")}
    raise_alerts(alerts, [run_result(basket="other")], [], now=NOON)
    assert opened(alerts) == {("snapshot.incomplete", "cs2cap", "core")}
    raise_alerts(alerts, [run_result()], [], now=NOON)
    assert opened(alerts) == set()


def test_incomplete_run_resolves_the_alert_of_the_key(alerts: AlertStore) -> None:
    raise_alerts(alerts, [run_result(REVOKED)], [], now=NOON)
    raise_alerts(alerts, [run_result(complete=False)], [], now=NOON)
    assert opened(alerts) == {("snapshot.incomplete", "cs2cap", "core")}


def test_alert_of_a_dark_provider_is_open_until_its_quotes_are_trusted_again(alerts: AlertStore) -> None:
    dark = {("provider.dark", "cs2cap", "steam")}
    raise_alerts(alerts, [], [load_report("steam", brought=("buff163",))], now=NOON)
    assert opened(alerts) == dark
    raise_alerts(alerts, [], [load_report("steam", brought=("steam",))], now=NOON)
    raise_alerts(alerts, [], [load_report(brought=("steam",), source="other")], now=NOON)
    assert opened(alerts) == dark
    raise_alerts(alerts, [], [load_report(brought=("steam",))], now=NOON)
    assert opened(alerts) == set()


@pytest.mark.parametrize(
    ("skew", "words"),
    [
        (366 * 86_400.0, "366d ahead of this machine's: no time of it counts as more than 5m ahead"),
        (301.0, "5m ahead of"),
    ],
)
def test_alert_of_a_wrong_clock_is_open_until_the_clocks_agree(
    alerts: AlertStore, skew: float, words: str
) -> None:
    def run_with(skew: float | None, error: SourceError | None = None) -> list[Alert]:
        result = dataclasses.replace(run_result(error), clock_skew=skew)
        return raise_alerts(alerts, [result], [], now=NOON)

    assert run_with(300.0) == run_with(-86_400.0) == []
    (raised,) = run_with(skew)
    assert (raised.cause, raised.source, raised.subject) == ("clock.ahead", "cs2cap", "")
    assert words in raised.message
    assert "Check this machine's clock" in (raised.guidance or "")
    run_with(None)  # a run without a response says nothing of the clocks
    assert opened(alerts) == {("clock.ahead", "cs2cap", "")}
    run_with(0.2, PlanForbids("not in this tier", "cs2cap"))
    assert opened(alerts) == {("plan.forbids", "cs2cap", "")}


def test_alert_of_a_changed_contract_is_open_until_it_is_cleared(alerts: AlertStore) -> None:
    changed = LoadReport("r", "cs2cap", "core", "done", contract_changes=("7: A  is now B ",))
    raise_alerts(alerts, [run_result()], [changed], now=NOON)
    raise_alerts(alerts, [run_result()], [load_report()], now=NOON)
    (alert,) = alerts.list_alerts(open_only=True)
    assert (alert.cause, alert.message) == ("contract.changed", "7: A  is now B ")
    assert alert.alert_id is not None
    assert alerts.clear(alert.alert_id, NOON)
    assert opened(alerts) == set()

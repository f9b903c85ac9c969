"""Alerts: one stands open a cause, later runs repeat or resolve it, and no run hides what another met."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.errors import KeyRevoked, PlanForbids, QuotaExhausted, SourceError
from pipelines.alerts.rules import raise_alerts
from pipelines.results import RunResult, run_state
from tests.support.clocks import NOON
from warehouse.loading.run import LoadReport, SuspectProvider
from warehouse.state.alerts import AlertStore

Cause = tuple[str, str, str]


@pytest.fixture
def state(tmp_path: Path) -> AlertStore:
    return AlertStore(tmp_path / "state.db")


def came_to(
    error: SourceError | None = None,
    *,
    basket: str = "core",
    source: str = "cs2cap",
    complete: bool = True,
    run: int = 1,
) -> RunResult:
    """A run that this error ended, or that came through."""
    outcome = run_state(error, complete=complete)
    return RunResult(f"run-{basket}-{run}", basket, source, outcome, requests=1, pages=1, error=error)


def load(*held: str, brought: tuple[str, ...] = (), source: str = "cs2cap") -> LoadReport:
    reasons = tuple(SuspectProvider(provider, "it is down") for provider in held)
    return LoadReport("run-core", source, "core", "done", held=reasons, brought=brought)


def opened(state: AlertStore) -> set[Cause]:
    return {(alert.cause, alert.source, alert.subject) for alert in state.list_alerts(open_only=True)}


REVOKED = KeyRevoked("revoked", "cs2cap", "AUTH_API_KEY_REVOKED", 401)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (REVOKED, "auth.failed"),
        (QuotaExhausted("used up", "cs2cap"), "quota.exhausted"),
        (PlanForbids("not in this tier", "cs2cap"), "plan.forbids"),
    ],
)
def test_what_stops_a_source_stands_until_a_run_of_it_comes_through(
    state: AlertStore, error: SourceError, cause: str
) -> None:
    (raised,) = raise_alerts(state, [came_to(error)], [], NOON)
    assert (raised.cause, raised.message, raised.guidance) == (cause, str(error), error.guidance)
    assert raise_alerts(state, [came_to(error)], [], NOON) == []
    raise_alerts(state, [came_to(source="other")], [], NOON)
    assert opened(state) == {(cause, "cs2cap", "")}
    raise_alerts(state, [came_to(basket="another")], [], NOON)
    assert opened(state) == set()


@pytest.mark.parametrize("order", [1, -1])
def test_a_basket_that_came_through_does_not_hide_that_the_key_was_refused_to_the_next(
    state: AlertStore, order: int
) -> None:
    runs = [came_to(), came_to(REVOKED, basket="next")]
    raise_alerts(state, runs[::order], [], NOON)
    assert opened(state) == {("auth.failed", "cs2cap", "")}


def test_one_snapshot_raises_a_cause_once_however_many_baskets_met_it(state: AlertStore) -> None:
    for run, repeats in (
        (1, 0),
        (1, 0),
        (2, 1),
    ):  # at once, and again after the load
        met = [came_to(REVOKED, run=run), came_to(REVOKED, basket="next", run=run)]
        raise_alerts(state, met, [], NOON)
        assert [alert.repeats for alert in state.list_alerts()] == [repeats]


def test_an_incomplete_basket_stands_until_it_is_complete(state: AlertStore) -> None:
    raise_alerts(state, [came_to(complete=False), came_to(basket="other")], [], NOON)
    assert opened(state) == {("snapshot.incomplete", "cs2cap", "core")}
    raise_alerts(state, [came_to(basket="other")], [], NOON)
    assert opened(state) == {("snapshot.incomplete", "cs2cap", "core")}
    raise_alerts(state, [came_to()], [], NOON)
    assert opened(state) == set()


def test_an_incomplete_run_shows_that_the_key_is_good_again(state: AlertStore) -> None:
    raise_alerts(state, [came_to(REVOKED)], [], NOON)
    raise_alerts(state, [came_to(complete=False)], [], NOON)
    assert opened(state) == {("snapshot.incomplete", "cs2cap", "core")}


def test_a_dark_provider_stands_until_it_brings_quotes_and_is_not_held(state: AlertStore) -> None:
    dark = {("provider.dark", "cs2cap", "steam")}
    raise_alerts(state, [], [load("steam", brought=("buff163",))], NOON)
    assert opened(state) == dark
    raise_alerts(state, [], [load("steam", brought=("steam",))], NOON)
    raise_alerts(state, [], [load(brought=("steam",), source="other")], NOON)
    assert opened(state) == dark
    raise_alerts(state, [], [load(brought=("steam",))], NOON)
    assert opened(state) == set()


def test_a_changed_contract_stands_until_someone_clears_it(state: AlertStore) -> None:
    changed = LoadReport("r", "cs2cap", "core", "done", contract_changes=("7: A  is now B ",))
    raise_alerts(state, [came_to()], [changed], NOON)
    raise_alerts(state, [came_to()], [load()], NOON)
    (alert,) = state.list_alerts(open_only=True)
    assert (alert.cause, alert.message) == ("contract.changed", "7: A  is now B ")
    assert alert.alert_id is not None
    assert state.clear(alert.alert_id, NOON)
    assert opened(state) == set()

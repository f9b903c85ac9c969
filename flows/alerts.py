"""From what a run came to, to the alerts that stand open: one a cause, repeated or resolved by later runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from flows.results import DONE, RunResult
from warehouse.load import LoadReport
from warehouse.state import Alert, State

AUTH, QUOTA, PLAN = "auth.failed", "quota.exhausted", "plan.forbids"
INCOMPLETE, CONTRACT, DARK = "snapshot.incomplete", "contract.changed", "provider.dark"
OF_STATE = {"auth_failed": AUTH, "quota_exhausted": QUOTA, "plan_forbids": PLAN}


def raise_alerts(
    state: State, results: Sequence[RunResult], loads: Sequence[LoadReport], now: datetime
) -> list[Alert]:
    """Raise and resolve alerts for these runs and their loads; those that are new."""
    wanted = [*_of_results(results), *_of_loads(loads)]
    raised = [alert for alert in wanted if state.raise_alert(alert, now)]
    for result in results:
        _resolve(state, result, now)
    for load in loads:
        _resolve_dark(state, load, now)
    return raised


def _of_results(results: Iterable[RunResult]) -> Iterable[Alert]:
    for result in results:
        error = result.error
        if result.state in OF_STATE and error is not None:
            yield Alert(
                OF_STATE[result.state],
                result.source,
                "",
                str(error),
                error.code or type(error).__name__,
                error.guidance,
                result.run_id,
            )
        elif result.state in {"incomplete", "failed"}:
            reason = result.incomplete_reason or "some shards are missing"
            yield Alert(INCOMPLETE, result.source, result.basket, reason, run_id=result.run_id)


def _of_loads(loads: Iterable[LoadReport]) -> Iterable[Alert]:
    for load in loads:
        for held in load.held:
            message = f"{held.provider}: {held.reason}; none of its quotes was closed"
            yield Alert(DARK, load.source, held.provider, message, run_id=load.run_id)
        if load.contract_changes:
            message = "; ".join(load.contract_changes)
            yield Alert(CONTRACT, load.source, load.basket, message, run_id=load.run_id)


def _resolve(state: State, result: RunResult, now: datetime) -> None:
    """A run that came through closes what its predecessors raised."""
    if result.state in {DONE, "incomplete"}:
        for cause in (AUTH, QUOTA):
            state.resolve(cause, result.source, "", now)
    if result.state == DONE:
        state.resolve(PLAN, result.source, "", now)
        state.resolve(INCOMPLETE, result.source, result.basket, now)


def _resolve_dark(state: State, load: LoadReport, now: datetime) -> None:
    """A provider that brought quotes again in a complete run is dark no more."""
    held = {one.provider for one in load.held}
    dark = [a for a in state.alerts(open_only=True) if (a.cause, a.source) == (DARK, load.source)]
    for alert in dark:
        if alert.subject in load.brought and alert.subject not in held:
            state.resolve(DARK, load.source, alert.subject, now)

"""From what a run came to, to the alerts that stand open: one a cause, repeated or resolved by later runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from pipelines.results import DONE, RunResult
from warehouse.loading.run import LoadReport
from warehouse.state.alerts import Alert, AlertStore

AUTH, QUOTA, PLAN = "auth.failed", "quota.exhausted", "plan.forbids"
INCOMPLETE, CONTRACT, DARK = "snapshot.incomplete", "contract.changed", "provider.dark"
SILENCE = "silence"
NEXT_KEY = "key.next"
CAUSE_BY_STATE = {"auth_failed": AUTH, "quota_exhausted": QUOTA, "plan_forbids": PLAN}


def raise_alerts(
    state: AlertStore, results: Sequence[RunResult], loads: Sequence[LoadReport], now: datetime
) -> list[Alert]:
    """Raise and resolve alerts for these runs and their loads; those that are new.

    A cause that one of the runs met is not over because another one, before it, came through.
    """
    alerts = (*_of_results(results), *_of_loads(loads))
    wanted = {(alert.cause, alert.source, alert.subject): alert for alert in alerts}
    raised = [alert for alert in wanted.values() if state.raise_alert(alert, now)]
    over = {cause for result in results for cause in _resolved_causes(result)}
    for load in loads:
        over |= {(DARK, load.source, provider) for provider in load.brought}
    for cause, source, subject in over - wanted.keys():
        state.resolve(cause, source, subject, now=now)
    return raised


def _of_results(results: Iterable[RunResult]) -> Iterable[Alert]:
    for result in results:
        error = result.error
        if result.state in CAUSE_BY_STATE and error is not None:
            yield Alert(
                CAUSE_BY_STATE[result.state],
                result.source,
                "",
                str(error),
                code=error.code or type(error).__name__,
                guidance=error.guidance,
                run_id=result.run_id,
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


def _resolved_causes(result: RunResult) -> Iterable[tuple[str, str, str]]:
    """What a run that came through shows to be over, as (cause, source, subject)."""
    if result.state in {DONE, "incomplete"}:
        yield AUTH, result.source, ""
        yield QUOTA, result.source, ""
    if result.state == DONE:
        yield PLAN, result.source, ""
        yield INCOMPLETE, result.source, result.basket
        yield SILENCE, result.source, result.basket

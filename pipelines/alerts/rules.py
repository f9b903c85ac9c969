"""The rules that turn results of runs and loads into alerts: one open alert per cause, source and subject."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from common.clock import MAX_CLOCK_SKEW
from common.errors import SourceError
from common.text import escape, format_duration
from pipelines.alerts.causes import DARK
from pipelines.exit_codes import DONE
from pipelines.results import RunResult
from warehouse.loading.rejects import UNUSABLE
from warehouse.loading.run import LoadReport
from warehouse.state.alerts import Alert, AlertStore

AUTH, QUOTA, PLAN = "auth.failed", "quota.exhausted", "plan.forbids"
INCOMPLETE, CONTRACT = "snapshot.incomplete", "contract.changed"
SILENCE = "silence"
NEXT_KEY = "key.next"
CLOCK_AHEAD = "clock.ahead"
DOUBTED = "catalog.doubted"
ACCEPT = "`floorline alerts accept NUMBER` drops these entries; three catalogs over two days do it, too."
SEE_REJECTS = (
    "Rejected rows are kept: `floorline rejects list` shows them, and after an update of Floorline"
    " `floorline rejects replay` loads those that fit."
)
# A share of rejects is unusual beyond so many times the usual one and this margin, from so many rows on.
UNUSUAL_FACTOR, UNUSUAL_MARGIN, LEAST_REJECTS = 3, 0.01, 3
CHECK_CLOCKS = (
    "Check this machine's clock: `floorline doctor` compares it with each source, and NTP keeps it right."
    " Otherwise the source's clock is wrong, or a proxy answers in its place."
)
CAUSE_BY_STATE = {"auth_failed": AUTH, "quota_exhausted": QUOTA, "plan_forbids": PLAN}


def raise_alerts(
    store: AlertStore, results: Sequence[RunResult], loads: Sequence[LoadReport], *, now: datetime
) -> list[Alert]:
    """Raise and resolve the alerts of these runs and their loads; return the new alerts.

    A cause that one of the runs raises is not resolved by another run that succeeded.
    """
    # Several baskets of a stopped source raise one alert.
    alerts = {
        (alert.cause, alert.source, alert.subject): alert
        for alert in (*_alerts_of_results(results), *_alerts_of_loads(loads))
    }
    raised = [alert for alert in alerts.values() if store.raise_alert(alert, now)]
    resolved = {key for result in results for key in _resolved_causes(result)}
    resolved |= {(DARK, load.source, provider) for load in loads for provider in load.brought}
    store.resolve_all(resolved - alerts.keys(), now)
    return raised


def _alerts_of_results(results: Iterable[RunResult]) -> Iterator[Alert]:
    for result in results:
        yield from _alerts_of_clocks(result)
        yield from _alerts_of_catalogs(result)
        error = result.error
        if result.state in CAUSE_BY_STATE and error is not None:
            yield Alert(
                CAUSE_BY_STATE[result.state],
                result.source,
                "",
                message=_describe_stop(result, error),
                code=error.code or type(error).__name__,
                guidance=error.guidance,
                run_id=result.run_id,
            )
        elif result.state == UNUSABLE:
            rejected = result.load is not None and result.load.state == UNUSABLE
            yield Alert(
                CONTRACT,
                result.source,
                result.basket,
                message=result.incomplete_reason or "",
                guidance=SEE_REJECTS if rejected else None,
                run_id=result.run_id,
            )
        elif result.state in {"incomplete", "failed"}:
            reason = result.incomplete_reason or "some shards are missing"
            yield Alert(INCOMPLETE, result.source, result.basket, message=reason, run_id=result.run_id)


def _describe_stop(result: RunResult, error: SourceError) -> str:
    """Return the error that stopped a source, with the end of the rejected key."""
    is_about_key = CAUSE_BY_STATE[result.state] == AUTH and result.key_tail
    if not is_about_key:
        return str(error)
    reason = str(error).removesuffix(error.guidance).rstrip(". ")
    return f"{reason} (key …{result.key_tail}). {error.guidance}".rstrip()


def _alerts_of_clocks(result: RunResult) -> Iterator[Alert]:
    """Yield the alert of a source whose clock is ahead of ours by more than the bound.

    A clock that is behind raises none: a source may replay the past, like the sandbox.
    """
    skew = timedelta(seconds=result.clock_skew or 0)
    if skew > MAX_CLOCK_SKEW:
        message = (
            f"the source's clock is {format_duration(skew)} ahead of this machine's:"
            f" no time of it counts as more than {format_duration(MAX_CLOCK_SKEW)} ahead"
        )
        yield Alert(
            CLOCK_AHEAD, result.source, "", message=message, guidance=CHECK_CLOCKS, run_id=result.run_id
        )


def _alerts_of_catalogs(result: RunResult) -> Iterator[Alert]:
    for report in result.catalogs:
        if message := report.describe():
            guidance = ACCEPT if report.missing else None
            yield Alert(
                DOUBTED, result.source, report.name, message=message, guidance=guidance, run_id=result.run_id
            )


def _alerts_of_loads(loads: Iterable[LoadReport]) -> Iterator[Alert]:
    for load in loads:
        for suspect in load.held:
            message = f"{escape(suspect.provider)}: {suspect.reason}; none of its quotes was closed"
            yield Alert(DARK, load.source, suspect.provider, message=message, run_id=load.run_id)
        rejects = _describe_rejects(load)
        if rejects or load.contract_changes:
            message = "; ".join(filter(None, (rejects, *load.contract_changes)))
            guidance = SEE_REJECTS if rejects else None
            yield Alert(
                CONTRACT, load.source, load.basket, message=message, guidance=guidance, run_id=load.run_id
            )


def _describe_rejects(load: LoadReport) -> str:
    """Return what is unusual about the rejects of a load; empty where nothing is."""
    if load.state == UNUSABLE:
        return load.reason or ""
    if not _has_unusual_rejects(load):
        return ""
    rows = load.rows_fetched + load.rows_rejected
    usual = f"usually {load.usual_reject_share:.1%} are"
    return f"{load.rows_rejected:,} of {rows:,} rows were rejected, {usual}: {load.reject_reasons}"


def _has_unusual_rejects(load: LoadReport) -> bool:
    """Return whether the share of rejects is far above that of the basket's earlier runs."""
    if load.usual_reject_share is None or load.rows_rejected < LEAST_REJECTS:
        return False
    share = load.rows_rejected / (load.rows_fetched + load.rows_rejected)
    return share > UNUSUAL_FACTOR * load.usual_reject_share + UNUSUAL_MARGIN


def _resolved_causes(result: RunResult) -> Iterator[tuple[str, str, str]]:
    """Yield the causes that a run resolves if none raises them, as (cause, source, subject)."""
    if result.state in {DONE, "incomplete"} and result.error is None:  # else the key is not proven
        yield AUTH, result.source, ""
        yield QUOTA, result.source, ""
    if result.clock_skew is not None:  # the causes that the run raises are not resolved
        yield CLOCK_AHEAD, result.source, ""
    for report in result.catalogs:
        yield DOUBTED, result.source, report.name
    if result.state == DONE and result.error is None:
        yield PLAN, result.source, ""
        yield INCOMPLETE, result.source, result.basket
        yield SILENCE, result.source, result.basket

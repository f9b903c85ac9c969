"""Ticks of a schedule: what a run is called, and which one comes too late to be worth its quota."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from prefect.context import FlowRunContext
from prefect.runtime import flow_run

# The names of the flow-run states of type FAILED, by the state of a run, the worst first.
FAILED_STATES: Final = {
    "auth_failed": "AuthFailed",
    "quota_exhausted": "QuotaExhausted",
    "plan_forbids": "PlanForbids",
    "failed": "Failed",
    "incomplete": "Incomplete",
}


def is_stale(expected: datetime | None, now: datetime, every: timedelta) -> bool:
    """Whether a tick that was expected at that moment starts more than one interval late.

    `expected` is None for a run that somebody started by hand: it is never late.
    """
    return expected is not None and now - expected > every


def run_name(baskets: Sequence[str], slot: datetime) -> str:
    """The name of a run of these baskets (none: all of them) in this slot of the schedule, in UTC."""
    slot = slot.astimezone(UTC)
    time = f"{slot:%H:%M}" if slot.second == 0 else f"{slot:%H:%M:%S}"
    return f"{', '.join(baskets) or 'all'} {slot:%Y-%m-%d}T{time}Z"


def flow_run_name(work: str = "") -> str:
    """The name of the flow run that is about to begin, by its baskets or by what else it works on."""
    names = (work,) if work else flow_run.parameters.get("baskets") or ()
    return run_name(names, flow_run.scheduled_start_time)


def scheduled_time() -> datetime | None:
    """When the schedule expected the current flow run; None if no schedule made it."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None or not context.flow_run.auto_scheduled:
        return None
    return context.flow_run.expected_start_time

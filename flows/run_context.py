"""The current flow run: its name, its scheduled time, whether it is stale, and the names of its states."""

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
    "unusable": "Unusable",
    "incomplete": "Incomplete",
}


# A busy machine may take half a minute to start a run, which is longer than a short interval. To skip such a
# run would not help: the next one has been cancelled meanwhile, because this one held the slot.
START_DELAY: Final = timedelta(minutes=1)


def is_stale(expected: datetime | None, now: datetime, every: timedelta) -> bool:
    """Return whether a run starts more than one interval, and more than a minute, after its `expected` time.

    `expected` is None for a run without a schedule, which is never stale.
    """
    return expected is not None and now - expected > max(every, START_DELAY)


def run_name(baskets: Sequence[str], slot: datetime) -> str:
    """Return the name of a run of these baskets (none: all) in this slot of the schedule, in UTC."""
    slot = slot.astimezone(UTC)
    time = f"{slot:%H:%M}" if slot.second == 0 else f"{slot:%H:%M:%S}"
    return f"{', '.join(baskets) or 'all'} {slot:%Y-%m-%d}T{time}Z"


def flow_run_name(subject: str = "") -> str:
    """Return the name of the flow run that is starting: `subject` or its baskets, and its time."""
    names = (subject,) if subject else flow_run.parameters.get("baskets") or ()
    return run_name(names, flow_run.scheduled_start_time)


def scheduled_time() -> datetime | None:
    """Return the scheduled time of the current flow run; None if no schedule created it."""
    context = FlowRunContext.get()
    # A run by hand has an expected start time, too: the time of its creation.
    if context is None or context.flow_run is None or not context.flow_run.auto_scheduled:
        return None
    return context.flow_run.expected_start_time

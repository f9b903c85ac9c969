"""The result of `floorline status`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime

from floorline.cli.outputs import copy_fields
from floorline.monitoring.problems import Problem
from floorline.monitoring.status import BasketStatus, UpStatus
from pipelines.planning.quota import MonthUsageReport
from warehouse.state.alerts import Alert
from warehouse.state.ticks import MissedTick


@dataclasses.dataclass(frozen=True, slots=True)
class BasketOutput:
    """The last runs of a basket.

    `age_seconds` is the time since `last_success_at`; both are null before the first success. `every_seconds`
    is the interval of the schedule. `late` is whether the last success is older than three intervals.
    `last_state` is the state of the last run, or `never ran`; the counts are of the last run. `missed` are
    the scheduled runs since the last success that took nothing: skipped or cancelled.
    """

    basket: str
    source: str
    last_success_at: datetime | None
    age_seconds: float | None
    every_seconds: float | None
    late: bool | None
    last_state: str
    rows_fetched: int | None
    rows_changed: int | None
    requests: int | None
    missed: tuple[MissedTick, ...]

    @classmethod
    def from_status(cls, basket: BasketStatus) -> BasketOutput:
        """Return a status as it is printed."""
        return cls(
            **copy_fields(
                cls,
                basket,
                last_success_at=basket.last_success,
                age_seconds=None if basket.age is None else basket.age.total_seconds(),
                every_seconds=basket.every.total_seconds(),
                late=basket.late,
                last_state=basket.state,
            )
        )


@dataclasses.dataclass(frozen=True, slots=True)
class MonthOutput:
    """The month of a source: `requests_used` of `requests_limit` (null: unknown).

    `used_up_at` is when the quota is used up at this rate; null if it lasts to the end of the month.
    """

    source: str
    requests_used: int
    requests_limit: int | None
    requests_per_day: float
    used_up_at: datetime | None

    @classmethod
    def from_report(cls, month: MonthUsageReport) -> MonthOutput:
        """Return a report as it is printed."""
        return cls(month.source, month.used, month.limit, month.a_day, month.ends_at)


@dataclasses.dataclass(frozen=True, slots=True)
class LandingOutput:
    """A landing that is set aside, and why."""

    run_id: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class StatusOutput:
    """The baskets, the month of each source, the open alerts, and what is not loaded.

    `published_at` is null before the first publication. `landings_waiting` are the ids of runs that are not
    loaded yet. `holds` says until when a source asked to send nothing, by source. `up` is a running
    `floorline up`, or null. `problems` are what `--check` looks for: its exit code is 0 if there is none.
    """

    baskets: tuple[BasketOutput, ...]
    published_at: datetime | None
    months: tuple[MonthOutput, ...]
    holds: Mapping[str, datetime]
    alerts: tuple[Alert, ...]
    landings_waiting: tuple[str, ...]
    landings_set_aside: tuple[LandingOutput, ...]
    up: UpStatus | None
    problems: tuple[Problem, ...]

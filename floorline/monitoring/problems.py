"""What a monitor must know about a warehouse: data that is not fresh, open alerts, landings not loaded."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Final, Literal

from common.text import format_duration, sanitize
from floorline.monitoring.status import BasketStatus, StatusReport
from pipelines.alerts.rows import summary_of
from pipelines.config import Settings

Kind = Literal["freshness", "alert", "landing"]
# The exit code of `floorline status --check`: that of the first kind that has a problem.
EXIT_CODES: Final[dict[Kind, int]] = {"freshness": 10, "alert": 11, "landing": 12}


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """One problem: its kind, what it is about (a basket, an alert's cause, a run), and a sentence."""

    kind: Kind
    subject: str
    message: str


def find_problems(settings: Settings, report: StatusReport) -> list[Problem]:
    """Return the problems in the order of EXIT_CODES."""
    return [
        *filter(None, map(_check_freshness, report.baskets(settings))),
        *_list_alerts(report),
        *_list_landings(report),
    ]


def check_exit_code(problems: Sequence[Problem]) -> int:
    """Return the exit code of `floorline status --check`; 0 without a problem."""
    return min((EXIT_CODES[problem.kind] for problem in problems), default=0)


def _check_freshness(basket: BasketStatus) -> Problem | None:
    if basket.age is None:
        return Problem("freshness", basket.basket, f"{basket.basket}: no successful run yet ({basket.state})")
    if not basket.late:
        return None
    age, every = format_duration(basket.age), format_duration(basket.every)
    message = f"{basket.basket}: the last success is {age} old, and a run is due every {every}"
    return Problem("freshness", basket.basket, message)


def _list_alerts(report: StatusReport) -> Iterator[Problem]:
    for alert in report.alerts:
        about = ", ".join(filter(None, (alert.source, alert.subject)))
        yield Problem(
            "alert", alert.cause, f"alert {alert.cause} ({about}): {sanitize(summary_of(alert), 1000)}"
        )


def _list_landings(report: StatusReport) -> Iterator[Problem]:
    for landing in report.pending:
        run = landing.header
        yield Problem("landing", run.run_id, f"the landing of {run.basket}, run {run.run_id}, is not loaded")
    for set_aside in report.landings_aside:
        yield Problem("landing", set_aside.run_id, f"a landing is set aside, {set_aside}")

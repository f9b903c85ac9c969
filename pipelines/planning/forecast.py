"""What a schedule will cost in a month of 30 days, whether that fits, and what would; pure."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Final

from common.errors import SourceError
from common.text import format_duration
from connectors.tiers import TierLimits
from pipelines.planning.baskets import PlannedBasket
from pipelines.planning.model import CatalogSizes, SnapshotPlan, SnapshotRequest
from pipelines.planning.schedule import MONTH, RunFrequency, frequency_of_interval
from pipelines.planning.snapshot_planner import plan_snapshot

# The intervals that people choose.
INTERVALS: Final = tuple(
    timedelta(minutes=minutes)
    for minutes in (1, 2, 5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 480, 720, 1440, 2880, 10_080, 43_200)
)


@dataclasses.dataclass(frozen=True, slots=True)
class Forecast:
    """What one basket will cost. `plan` is None where the tier does not allow any; `verdict` says why.

    `minutes` is a run's length at the tier's pace, None where there is no limit; `share` is of the month.
    """

    basket: str
    plan: SnapshotPlan | None
    minutes: float | None
    runs_a_day: float
    requests_a_month: int
    share: float | None
    fits: bool
    verdict: str


@dataclasses.dataclass(frozen=True, slots=True)
class SourceForecast:
    """What all baskets of a source will cost, the daily refresh of its catalogs included.

    `used` is what of this month is used, where it is known. `share` is of the month.
    """

    source: str
    terms: TierLimits
    used: int | None
    baskets: tuple[Forecast, ...]
    catalogs_a_month: int
    requests_a_month: int
    share: float | None
    fits: bool


@dataclasses.dataclass(frozen=True, slots=True)
class ForecastInput:
    """A basket to judge: how often it runs, its plan or why there is none, the stream starts it may have."""

    basket: str
    rhythm: RunFrequency
    prepared: PlannedBasket | None
    problem: str = ""
    starts: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Capacity:
    """What there is for a basket: the tier, the catalogs' sizes, and what others leave of the month."""

    terms: TierLimits
    sizes: CatalogSizes
    left: int | None


def forecast(
    source: str, cases: Sequence[ForecastInput], terms: TierLimits, sizes: CatalogSizes, used: int | None
) -> SourceForecast:
    """Judge the baskets of one source, each by what those before it leave of the month.

    One that does not fit leaves what it would if it were changed as its verdict says.
    """
    catalogs = _catalogs(cases, terms)
    left = None if terms.per_month is None else terms.per_month - catalogs
    judged = []
    for case in cases:
        found, taken = _judge(case, Capacity(terms, sizes, left))
        judged.append(found)
        left = None if left is None else left - taken
    total = catalogs + sum(found.requests_a_month for found in judged)
    fits = all(found.fits for found in judged)
    return SourceForecast(source, terms, used, tuple(judged), catalogs, total, _share(total, terms), fits)


def format_requests(number: float) -> str:
    """So many requests in words: millions with one place."""
    return f"{number / 1e6:.1f} M requests" if number >= 1e6 else f"{number:,.0f} requests"


def minutes_for(made: SnapshotPlan, terms: TierLimits) -> float | None:
    """How long a run takes at the tier's pace, in minutes."""
    cost = made.requests * (terms.listing_cost if terms.listing else 1)
    return None if terms.per_minute is None else cost / terms.per_minute


def _judge(case: ForecastInput, room: Capacity) -> tuple[Forecast, int]:
    """The forecast of a basket, and what of the month it takes away from the next ones."""
    runs_a_day = case.rhythm.a_month / 30
    if case.prepared is None:
        return Forecast(case.basket, None, None, runs_a_day, 0, None, fits=False, verdict=case.problem), 0
    made = case.prepared.plan
    monthly = _monthly(made, case.rhythm)
    problem = _problem(made, case, case.rhythm, room)
    remedy, taken = _suggestion(case, case.prepared.want, room) if problem else ("fits", monthly)
    found = Forecast(
        case.basket,
        made,
        minutes_for(made, room.terms),
        runs_a_day,
        monthly,
        _share(monthly, room.terms),
        fits=not problem,
        verdict=f"{remedy}; {problem}" if problem else remedy,
    )
    return found, taken


def _problem(made: SnapshotPlan, case: ForecastInput, rhythm: RunFrequency, room: Capacity) -> str:
    """Why a plan does not fit a rhythm; empty where it does."""
    often, minutes, monthly = (
        _describe_frequency(rhythm),
        minutes_for(made, room.terms),
        _monthly(made, rhythm),
    )
    if room.left is not None and monthly > room.left:
        return (
            f"{often} would need {format_requests(monthly)} a month, of which {max(room.left, 0):,} are left"
        )
    if minutes is not None and timedelta(minutes=minutes) > MONTH / rhythm.a_month:
        return f"{often} is shorter than a run, which takes {format_duration(timedelta(minutes=minutes))}"
    if any(runs > case.starts.get(side, 0) for side, runs in made.starts.items()):
        return f"{often} would start more streams than a day has left"
    return ""


def _suggestion(case: ForecastInput, want: SnapshotRequest, room: Capacity) -> tuple[str, int]:
    """The nearest change after which a basket fits, and what it then takes of the month.

    That is another route at the same rhythm, or else a longer interval; by another route, if that is shorter.
    """
    others = list(_alternatives(want))
    for told, other in others:
        monthly = _cost_at(other, case, case.rhythm, room)
        if monthly is not None:
            return f"{told} fits", monthly
    own, monthly = _nearest(want, case, room)
    nearer = [
        (interval, told) for told, other in others if (interval := _nearest(other, case, room)[0]) < own
    ]
    also = f", every {format_duration(min(nearer)[0])} with {min(nearer)[1]}" if nearer else ""
    if own == timedelta.max:
        return (f"no interval up to 30d fits{also and ' but'}{also}", 0)
    return f"every {format_duration(own)} fits{also}", monthly


def _nearest(want: SnapshotRequest, case: ForecastInput, room: Capacity) -> tuple[timedelta, int]:
    """The shortest interval, longer than the basket's, that fits, and its requests a month."""
    for interval in INTERVALS:
        if frequency_of_interval(interval).a_month < case.rhythm.a_month:
            monthly = _cost_at(want, case, frequency_of_interval(interval), room)
            if monthly is not None:
                return interval, monthly
    return timedelta.max, 0


def _alternatives(want: SnapshotRequest) -> Iterator[tuple[str, SnapshotRequest]]:
    if want.route != "auto":
        yield 'route = "auto"', dataclasses.replace(want, route="auto")
    if want.fx == "api" and len(want.currencies) > 1:
        yield 'fx = "table"', dataclasses.replace(want, fx="table")


def _cost_at(want: SnapshotRequest, case: ForecastInput, rhythm: RunFrequency, room: Capacity) -> int | None:
    """The requests a month of the best plan at this rhythm; None where there is none that fits."""
    wanted = dataclasses.replace(want, runs_a_day=rhythm.a_day_at_most)
    try:
        made = plan_snapshot(wanted, room.terms, room.sizes, case.starts)
    except SourceError:
        return None
    return None if _problem(made, case, rhythm, room) else _monthly(made, rhythm)


def _describe_frequency(rhythm: RunFrequency) -> str:
    """A rhythm in words: its interval, on the average."""
    return f"every {format_duration(MONTH / rhythm.a_month)}"


def _monthly(made: SnapshotPlan, rhythm: RunFrequency) -> int:
    return math.ceil(made.requests * rhythm.a_month)


def _catalogs(cases: Sequence[ForecastInput], terms: TierLimits) -> int:
    """Requests a month that refresh the catalogs, which are kept for a day."""
    wants = [case.prepared.want for case in cases if case.prepared is not None]
    rates = any(want.fx == "api" and want.currencies != ("USD",) for want in wants)
    days = min(30, math.ceil(sum(case.rhythm.a_month for case in cases)))
    return days * (1 if terms.listing else 2 + rates)


def _share(requests: int, terms: TierLimits) -> float | None:
    return None if terms.per_month is None else requests / terms.per_month

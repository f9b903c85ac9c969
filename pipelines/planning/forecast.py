"""Forecast the cost of a schedule in a month of 30 days, whether it fits, and what would fit. Pure."""

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

# Suggested intervals.
INTERVALS: Final = tuple(
    timedelta(minutes=minutes)
    for minutes in (1, 2, 5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 480, 720, 1440, 2880, 10_080, 43_200)
)


@dataclasses.dataclass(frozen=True, slots=True)
class Forecast:
    """The cost of one basket. `plan` is None if the tier does not allow the basket; `verdict` says why.

    `minutes` is the duration of a run at the tier's rate limit, None without a limit; `share` is of the
    month's quota, from 0 to 1.
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
    """The cost of all baskets of a source, and of the daily refresh of its catalogs.

    `used` counts the requests of the current month, None if unknown. `share` is of the month's quota.
    """

    source: str
    limits: TierLimits
    used: int | None
    baskets: tuple[Forecast, ...]
    catalogs_a_month: int
    requests_a_month: int
    share: float | None
    fits: bool


@dataclasses.dataclass(frozen=True, slots=True)
class ForecastInput:
    """A basket, its run frequency, and its plan or the `problem` that prevents one.

    `stream_starts` are the stream starts a day that the basket may use, by delivery.
    """

    basket: str
    frequency: RunFrequency
    planned: PlannedBasket | None
    problem: str = ""
    stream_starts: Mapping[str, int] = dataclasses.field(default_factory=dict)


def forecast(
    source: str,
    inputs: Sequence[ForecastInput],
    limits: TierLimits,
    *,
    sizes: CatalogSizes,
    used: int | None,
    market_stats: timedelta | None = None,
) -> SourceForecast:
    """Forecast the baskets of one source in order, each with the requests that the baskets before it leave.

    A basket that does not fit counts as if it were changed as its verdict suggests. `market_stats` is the
    interval at which the market figures are read; None if they are not.
    """
    catalogs = _catalog_requests(inputs, limits, market_stats)
    left = None if limits.per_month is None else limits.per_month - catalogs
    forecasts = []
    for basket in inputs:
        basket_forecast, taken = _BasketForecaster(basket, limits, sizes, requests_left=left).run()
        forecasts.append(basket_forecast)
        left = None if left is None else left - taken
    total = catalogs + sum(each.requests_a_month for each in forecasts)
    return SourceForecast(
        source=source,
        limits=limits,
        used=used,
        baskets=tuple(forecasts),
        catalogs_a_month=catalogs,
        requests_a_month=total,
        share=_share(total, limits),
        fits=all(each.fits for each in forecasts),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _BasketForecaster:
    """Forecasts one basket with the month's requests that other baskets leave."""

    basket: ForecastInput
    limits: TierLimits
    sizes: CatalogSizes
    requests_left: int | None

    def run(self) -> tuple[Forecast, int]:
        """Return the forecast of the basket, and the month's requests that later baskets cannot use."""
        planned, frequency = self.basket.planned, self.basket.frequency
        if planned is None:
            return self.result(None, self.basket.problem), 0
        problem = self.find_problem(planned.plan, frequency)
        if not problem:
            return self.result(planned.plan, "fits", fits=True), _monthly(planned.plan, frequency)
        suggestion, taken = self.suggest(planned.request)
        return self.result(planned.plan, f"{suggestion}; {problem}"), taken

    def result(self, plan: SnapshotPlan | None, verdict: str, *, fits: bool = False) -> Forecast:
        monthly = 0 if plan is None else _monthly(plan, self.basket.frequency)
        return Forecast(
            self.basket.basket,
            plan=plan,
            minutes=None if plan is None else _minutes(plan, self.limits),
            runs_a_day=self.basket.frequency.a_month / 30,
            requests_a_month=monthly,
            share=None if plan is None else _share(monthly, self.limits),
            fits=fits,
            verdict=verdict,
        )

    def find_problem(self, plan: SnapshotPlan, frequency: RunFrequency) -> str:
        """Return why a plan does not fit at this frequency; empty if it fits."""
        if not frequency.a_month:  # a cron expression without a time in the next 30 days
            return ""
        interval = MONTH / frequency.a_month
        every = f"every {format_duration(interval)}"
        minutes, monthly = _minutes(plan, self.limits), _monthly(plan, frequency)
        if self.requests_left is not None and monthly > self.requests_left:
            left = max(self.requests_left, 0)
            needed = f"{monthly / 1e6:.1f} M" if monthly >= 1e6 else f"{monthly:,}"
            return f"{every} would need {needed} requests a month, of which {left:,} are left"
        if minutes is not None and timedelta(minutes=minutes) > interval:
            return f"{every} is shorter than a run, which takes {format_duration(timedelta(minutes=minutes))}"
        if any(runs > self.basket.stream_starts.get(side, 0) for side, runs in plan.stream_starts.items()):
            return f"{every} would start more streams than a day has left"
        return ""

    def suggest(self, request: SnapshotRequest) -> tuple[str, int]:
        """Return the smallest change after which the basket fits, and its requests a month then.

        Another route at the same frequency comes first; else a longer interval, by another route if that
        allows a shorter one.
        """
        alternatives = list(_alternatives(request))
        for option, changed in alternatives:
            monthly = self.requests_at(changed, self.basket.frequency)
            if monthly is not None:
                return f"{option} fits", monthly
        own_interval, monthly = self.shortest_interval(request)
        shorter = [
            (interval, option)
            for option, changed in alternatives
            if (interval := self.shortest_interval(changed)[0]) < own_interval
        ]
        also = f", every {format_duration(min(shorter)[0])} with {min(shorter)[1]}" if shorter else ""
        if own_interval == timedelta.max:
            return f"no interval up to 30d fits{also and ' but'}{also}", 0
        return f"every {format_duration(own_interval)} fits{also}", monthly

    def shortest_interval(self, request: SnapshotRequest) -> tuple[timedelta, int]:
        """Return the shortest longer interval that fits, and its requests a month."""
        for interval in INTERVALS:
            frequency = frequency_of_interval(interval)
            if frequency.a_month < self.basket.frequency.a_month:
                monthly = self.requests_at(request, frequency)
                if monthly is not None:
                    return interval, monthly
        return timedelta.max, 0

    def requests_at(self, request: SnapshotRequest, frequency: RunFrequency) -> int | None:
        """Return the requests a month of the best plan at this frequency; None if no plan fits."""
        request = dataclasses.replace(request, runs_a_day=frequency.a_day_at_most)
        try:
            plan = plan_snapshot(request, self.limits, self.sizes, stream_starts=self.basket.stream_starts)
        except SourceError:
            return None
        return None if self.find_problem(plan, frequency) else _monthly(plan, frequency)


def _alternatives(request: SnapshotRequest) -> Iterator[tuple[str, SnapshotRequest]]:
    if request.route != "auto":
        yield 'route = "auto"', dataclasses.replace(request, route="auto")
    if request.fx == "api" and len(request.currencies) > 1:
        yield 'fx = "table"', dataclasses.replace(request, fx="table")


def _minutes(plan: SnapshotPlan, limits: TierLimits) -> float | None:
    """Return the duration of a run at the tier's rate limit in minutes; None without a limit."""
    return None if limits.per_minute is None else plan.tokens / limits.per_minute


def _monthly(plan: SnapshotPlan, frequency: RunFrequency) -> int:
    return math.ceil(plan.requests * frequency.a_month)


def _catalog_requests(
    inputs: Sequence[ForecastInput], limits: TierLimits, market_stats: timedelta | None
) -> int:
    """Return the requests a month that refresh the catalogs, which are cached for a day, and the figures.

    A run that is due fetches them: they are never fetched more often than baskets run.
    """
    requests = [basket.planned.request for basket in inputs if basket.planned is not None]
    needs_rates = any(request.fx == "api" and request.currencies != ("USD",) for request in requests)
    runs = math.ceil(sum(basket.frequency.a_month for basket in inputs))
    figures = 0
    if market_stats is not None and limits.market_stats:
        figures = min(math.ceil(MONTH / market_stats), runs)
    # Of a listing, the catalog and the merchant's fees.
    return min(30, runs) * (2 if limits.listing else 2 + needs_rates) + figures


def _share(requests: int, limits: TierLimits) -> float | None:
    return None if limits.per_month is None else requests / limits.per_month

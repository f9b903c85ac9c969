"""The results of `floorline plan` and `floorline gaps`."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

from connectors.shards import BID_DELIVERIES
from pipelines.backfill.gap_parts import Gap
from pipelines.planning.forecast import Forecast, SourceForecast
from pipelines.planning.model import SnapshotPlan


@dataclasses.dataclass(frozen=True, slots=True)
class RouteOutput:
    """The requests of a run by one route, in one currency, for one side of the book: `asks` or `bids`."""

    route: str
    currency: str
    side: str
    requests: int


@dataclasses.dataclass(frozen=True, slots=True)
class BasketPlanOutput:
    """The cost of a basket. `requests_per_run` is null if the tier does not allow the basket.

    If `exact` is false, `requests_per_run` is a maximum. `run_seconds` is the duration of a run at the tier's
    rate limit. `share_of_month` is the share of the month's quota, 0 to 1. `verdict` says what would fit.
    """

    basket: str
    routes: tuple[RouteOutput, ...]
    requests_per_run: int | None
    exact: bool | None
    run_seconds: float | None
    runs_per_day: float
    requests_per_month: int
    share_of_month: float | None
    fits: bool
    verdict: str
    notes: tuple[str, ...]

    @classmethod
    def from_forecast(cls, basket: Forecast) -> BasketPlanOutput:
        """Return a forecast as it is printed."""
        plan = basket.plan
        return cls(
            basket=basket.basket,
            routes=_routes(plan) if plan else (),
            requests_per_run=plan.requests if plan else None,
            exact=plan.least_requests == plan.requests if plan else None,
            run_seconds=None if basket.minutes is None else 60 * basket.minutes,
            runs_per_day=basket.runs_a_day,
            requests_per_month=basket.requests_a_month,
            share_of_month=basket.share,
            fits=basket.fits,
            verdict=basket.verdict,
            notes=tuple(plan.notes) if plan else (),
        )


@dataclasses.dataclass(frozen=True, slots=True)
class SourcePlanOutput:
    """The cost of a source in a month of 30 days, and its limits (null: none).

    `tier_assumed` is true where neither the API nor the configuration tells the tier. `requests_used` is what
    the current month has used, null if unknown.
    """

    source: str
    tier: str
    tier_assumed: bool
    limit_per_minute: int | None
    limit_per_month: int | None
    requests_used: int | None
    baskets: tuple[BasketPlanOutput, ...]
    catalog_requests_per_month: int
    requests_per_month: int
    share_of_month: float | None
    fits: bool

    @classmethod
    def from_forecast(cls, source: SourceForecast) -> SourcePlanOutput:
        """Return a forecast as it is printed."""
        return cls(
            source=source.source,
            tier=source.limits.tier,
            tier_assumed=source.limits.assumed,
            limit_per_minute=source.limits.per_minute,
            limit_per_month=source.limits.per_month,
            requests_used=source.used,
            baskets=tuple(map(BasketPlanOutput.from_forecast, source.baskets)),
            catalog_requests_per_month=source.catalogs_a_month,
            requests_per_month=source.requests_a_month,
            share_of_month=source.share,
            fits=source.fits,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class PlanOutput:
    """The cost of all sources; `fits` is whether every source has enough requests."""

    fits: bool
    sources: tuple[SourcePlanOutput, ...]

    @classmethod
    def from_forecasts(cls, forecasts: Sequence[SourceForecast]) -> PlanOutput:
        """Return the forecasts as they are printed."""
        sources = tuple(map(SourcePlanOutput.from_forecast, forecasts))
        return cls(all(source.fits for source in sources), sources)


@dataclasses.dataclass(frozen=True, slots=True)
class GapsOutput:
    """The gaps, and the command that fills those that can be filled; null if none can."""

    gaps: tuple[Gap, ...]
    fill_command: str | None


def _routes(plan: SnapshotPlan) -> tuple[RouteOutput, ...]:
    requests: Counter[tuple[str, str, str]] = Counter()
    for step in plan.steps:
        side = "bids" if step.deliveries == BID_DELIVERIES else "asks"
        requests[step.route, step.currency, side] += step.requests
    return tuple(RouteOutput(*key, requests=count) for key, count in requests.items())

"""Print the result of `floorline plan`: the cost of each basket, and whether the month's quota is enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from connectors.shards import BID_DELIVERIES
from floorline.console import print_line, print_table, to_json
from pipelines.planning.forecast import Forecast, SourceForecast
from pipelines.planning.model import SnapshotPlan

COLUMNS: Final = ("basket", "route", "per run", "minutes", "runs per day", "per month", "share", "verdict")
FIRST: Final = ("basket", "per month", "share", "verdict")


def print_forecasts(forecasts: Sequence[SourceForecast], *, as_json: bool) -> None:
    """Print the forecasts as tables, or as JSON with shares as fractions and durations in minutes."""
    if as_json:
        fits = all(source.fits for source in forecasts)
        print_line(to_json({"fits": fits, "sources": [_source_json(source) for source in forecasts]}))
        return
    for source in forecasts:
        _print_source(source)


def _print_source(source: SourceForecast) -> None:
    print_line(_headline(source))
    rows = [_row(basket) for basket in source.baskets]
    refresh = ("catalogs, daily", "", None, "", "", source.catalogs_a_month, "", "")
    total = ("total", "", None, "", "", source.requests_a_month, _format_percent(source.share), "")
    print_table(COLUMNS, [*rows, refresh, total], noun=None, first=FIRST)
    for basket in source.baskets:
        verdict = () if basket.fits else (basket.verdict,)
        for note in (*verdict, *(basket.plan.notes if basket.plan else ())):
            print_line(f"  {basket.basket}: {note}")


def _headline(source: SourceForecast) -> str:
    limits = source.limits
    parts = [
        f"{limits.per_minute:,} requests per minute" if limits.per_minute else "no limit per minute",
        f"{limits.per_month:,} per month" if limits.per_month else "no limit per month",
    ]
    if source.used is not None:
        parts.append(f"{source.used:,} of this month used")
    assumed = " (assumed: the API reports no tier, and `tier` is not set)" if limits.assumed else ""
    return f"{source.source}, {limits.tier} tier{assumed}: {', '.join(parts)}"


def _row(basket: Forecast) -> tuple[Any, ...]:
    """Return the values of COLUMNS; an uncertain number of requests is marked as a maximum."""
    plan, runs_a_day = basket.plan, _format_number(basket.runs_a_day)
    verdict = "fits" if basket.fits else "does not fit"
    if plan is None:
        return (basket.basket, "", None, "", runs_a_day, None, "", verdict)
    at_most = "" if plan.least_requests == plan.requests else "at most "
    routes = ", ".join(dict.fromkeys(step.route for step in plan.steps))
    minutes = "" if basket.minutes is None else _format_number(basket.minutes)
    cost = (f"{at_most}{plan.requests:,}", minutes, runs_a_day, basket.requests_a_month)
    return (basket.basket, routes, *cost, _format_percent(basket.share), verdict)


def _format_percent(share: float | None) -> str:
    if share is None:
        return ""
    return f"{share:.1%}" if share >= 0.001 else "<0.1%"


def _format_number(number: float) -> str:
    """Return a number with two significant digits, and with all digits before the point."""
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def _source_json(source: SourceForecast) -> dict[str, Any]:
    return {
        "source": source.source,
        "tier": source.limits.tier,
        "tier_assumed": source.limits.assumed,
        "requests_per_minute": source.limits.per_minute,
        "requests_per_month": source.limits.per_month,
        "used": source.used,
        "baskets": [_basket_json(basket) for basket in source.baskets],
        "catalogs_a_month": source.catalogs_a_month,
        "requests_a_month": source.requests_a_month,
        "share": source.share,
        "fits": source.fits,
    }


def _basket_json(basket: Forecast) -> dict[str, Any]:
    plan = basket.plan
    return {
        "basket": basket.basket,
        "routes": _routes_json(plan) if plan else [],
        "requests": plan.requests if plan else None,
        "exact": plan.least_requests == plan.requests if plan else None,
        "minutes": basket.minutes,
        "runs_a_day": basket.runs_a_day,
        "requests_a_month": basket.requests_a_month,
        "share": basket.share,
        "fits": basket.fits,
        "verdict": basket.verdict,
        "notes": plan.notes if plan else (),
    }


def _routes_json(plan: SnapshotPlan) -> list[dict[str, Any]]:
    """Return the requests of each route, currency and side of the book."""
    requests: Counter[tuple[str, str, str]] = Counter()
    for step in plan.steps:
        side = "bids" if step.deliveries == BID_DELIVERIES else "asks"
        requests[step.route, step.currency, side] += step.requests
    return [
        {"route": route, "currency": currency, "side": side, "requests": count}
        for (route, currency, side), count in requests.items()
    ]

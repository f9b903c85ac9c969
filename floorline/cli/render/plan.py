"""Print the result of `floorline plan`: the cost of each basket, and whether the month's quota is enough."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from floorline.cli.json_output import print_result
from floorline.cli.outputs.plan import PlanOutput
from floorline.console import print_line, print_table
from pipelines.planning.forecast import Forecast, SourceForecast

COLUMNS: Final = ("basket", "route", "per run", "minutes", "runs per day", "per month", "share", "verdict")
FIRST: Final = ("basket", "per month", "share", "verdict")


def print_forecasts(forecasts: Sequence[SourceForecast], *, as_json: bool) -> None:
    """Print the forecasts as tables or as JSON."""
    if as_json:
        print_result("plan", PlanOutput.from_forecasts(forecasts))
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

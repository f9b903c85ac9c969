"""What `floorline plan` prints: what each basket costs, why so, and whether the month holds it."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import Any, Final

from connectors.shards import BIDS
from floorline.console import print_line, print_table, to_json
from pipelines.planning.forecast import Forecast, SourceForecast
from pipelines.planning.model import SnapshotPlan

WIDTH: Final = 100
COLUMNS: Final = ("basket", "route", "a run", "minutes", "runs a day", "a month", "share", "verdict")


def print_forecasts(found: Sequence[SourceForecast], *, as_json: bool) -> None:
    """The forecasts; JSON has shares as fractions and lengths of time in minutes."""
    if as_json:
        fits = all(source.fits for source in found)
        print_line(to_json({"fits": fits, "sources": [_source_json(source) for source in found]}))
        return
    for source in found:
        _show_source(source)


def _show_source(source: SourceForecast) -> None:
    print_line(_headline(source))
    rows = [_row(basket) for basket in source.baskets]
    refresh = ("catalogs, daily", "", None, "", "", source.catalogs_a_month, "", "")
    total = ("total", "", None, "", "", source.requests_a_month, _percent(source.share), "")
    print_table(COLUMNS, [*rows, refresh, total])
    for basket in source.baskets:
        verdict = () if basket.fits else (basket.verdict,)
        for note in (*verdict, *(basket.plan.notes if basket.plan else ())):
            print_line(fill(f"{basket.basket}: {note}", WIDTH, initial_indent="  ", subsequent_indent="    "))


def _headline(source: SourceForecast) -> str:
    terms = source.terms
    limits = [
        f"{terms.per_minute:,} requests a minute" if terms.per_minute else "no limit a minute",
        f"{terms.per_month:,} a month" if terms.per_month else "no limit a month",
    ]
    if source.used is not None:
        limits.append(f"{source.used:,} of this month used")
    return f"{source.source}, {terms.tier} tier: {', '.join(limits)}"


def _row(basket: Forecast) -> tuple[Any, ...]:
    """As `COLUMNS` has it; a count that is the most it can be says so."""
    made = basket.plan
    verdict = "fits" if basket.fits else "does not fit"
    if made is None:
        return (basket.basket, "", None, "", _format_number(basket.runs_a_day), None, "", verdict)
    most = "" if made.least_requests == made.requests else "at most "
    return (
        *(basket.basket, _routes(made), f"{most}{made.requests:,}"),
        "" if basket.minutes is None else _format_number(basket.minutes),
        *(_format_number(basket.runs_a_day), basket.requests_a_month, _percent(basket.share), verdict),
    )


def _routes(made: SnapshotPlan) -> str:
    return ", ".join(dict.fromkeys(leg.route for leg in made.legs))


def _percent(share: float | None) -> str:
    if share is None:
        return ""
    return f"{share:.1%}" if share >= 0.001 else "<0.1%"


def _format_number(number: float) -> str:
    """A number with as many places as say something."""
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def _source_json(source: SourceForecast) -> dict[str, Any]:
    return {
        "source": source.source,
        "tier": source.terms.tier,
        "requests_per_minute": source.terms.per_minute,
        "requests_per_month": source.terms.per_month,
        "used": source.used,
        "baskets": [_basket_json(basket) for basket in source.baskets],
        "catalogs_a_month": source.catalogs_a_month,
        "requests_a_month": source.requests_a_month,
        "share": source.share,
        "fits": source.fits,
    }


def _basket_json(basket: Forecast) -> dict[str, Any]:
    made = basket.plan
    return {
        "basket": basket.basket,
        "routes": _legs_json(made) if made else [],
        "requests": made.requests if made else None,
        "exact": made.least_requests == made.requests if made else None,
        "minutes": basket.minutes,
        "runs_a_day": basket.runs_a_day,
        "requests_a_month": basket.requests_a_month,
        "share": basket.share,
        "fits": basket.fits,
        "verdict": basket.verdict,
        "notes": made.notes if made else (),
    }


def _legs_json(made: SnapshotPlan) -> list[dict[str, Any]]:
    """Each route of each currency, asks and bids apart."""
    counted: dict[tuple[str, str, str], int] = {}
    for leg in made.legs:
        key = (leg.route, leg.currency, "bids" if leg.deliveries == BIDS else "asks")
        counted[key] = counted.get(key, 0) + leg.requests
    legs = [dict(zip(("route", "currency", "side"), key, strict=True)) for key in counted]
    return [{**leg, "requests": count} for leg, count in zip(legs, counted.values(), strict=True)]

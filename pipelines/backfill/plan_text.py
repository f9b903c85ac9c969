"""Plans of backfills as text, for the command and for the log of a flow run."""

from __future__ import annotations

from datetime import datetime, timedelta

from common.text import format_duration, pluralize
from pipelines.backfill.plan import BackfillPlan


def describe_request(plan: BackfillPlan) -> str:
    """Return what a plan is for: series, items, providers, currency and time."""
    request = plan.request
    series = f"{request.series} of {request.interval}" if request.interval else request.series
    items = "all items" if plan.items is None else pluralize(plan.items, "item")
    providers = "all providers" if list(request.providers) == ["all"] else ", ".join(request.providers)
    window = f"{format_minute(plan.start)} to {format_minute(plan.end)}"
    if len(request.windows) > 1:
        window = f"{len(request.windows):,} gaps in {window}"
    return f"{series}: {items} at {providers}, {request.currency.upper()}, {window}"


def describe_shards(plan: BackfillPlan) -> str:
    """Return how many shards a plan has, and which backfill it resumes."""
    if plan.backfill_id and plan.shards:
        left = pluralize(plan.resumed, "shard")
        return f"{plan.backfill_id} resumes: {left} left, {len(plan.new_shards):,} new"
    if plan.backfill_id:
        return f"{plan.backfill_id} has all of its shards"
    return pluralize(plan.shards, "shard") if plan.shards else "the database has all of it already"


def describe_cost(plan: BackfillPlan) -> str:
    """Return the likely, the fewest and the most requests, their minutes, and their share of the month."""
    least, most = plan.at_least, plan.at_most
    requests = pluralize(least, "request")
    if least != most:
        limit = "no known maximum" if most is None else f"at most {most:,}"
        requests = f"at least {requests}, {limit}"
        if plan.expected is not None:
            requests = f"about {pluralize(plan.expected, 'request')} expected ({requests})"
    parts = [requests]
    if plan.minutes[0] is not None:
        parts.append(f"{_format_range(*map(_format_minutes, plan.minutes))} at the tier's pace")
    if left := plan.month.left:
        share = _format_range(_format_share(least, left), _format_share(most, left))
        parts.append(f"{share} of the {left:,} left of the month")
    return "; ".join(parts)


def _format_share(number: int | None, left: int) -> str | None:
    if number is None:
        return None
    return f"{number / left:.1%}" if number / left >= 0.001 else "less than 0.1%"


def _format_minutes(number: float | None) -> str | None:
    return None if number is None else format_duration(timedelta(minutes=number))


def _format_range(least: str | None, most: str | None) -> str:
    if most is None:
        return f"{least} or more"
    return least if least == most and least else f"{least} to {most}"


def format_minute(at: datetime | None) -> str:
    """Return a time (UTC) to the minute; empty for None."""
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else ""

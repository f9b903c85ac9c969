"""What `floorline backfill` prints: a plan and its cost, what came of it, backfills and their shards."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime, timedelta
from textwrap import fill
from typing import Any, Final

from common.text import format_duration, sanitize
from floorline.console import print_error, print_line, print_table, to_json
from pipelines.backfill.extraction import shard_label
from pipelines.backfill.plan import BackfillPlan
from pipelines.backfill.results import BackfillResult
from warehouse.state.backfill_rows import BackfillRecord, BackfillShard

WIDTH: Final = 100
# A person reads so many; --json has all of them.
SHOWN: Final = 20
RESULT: Final = (
    *("backfill", "series", "state", "shards done", "broken", "left", "rows", "new", "rejected", "requests"),
    "quota left",
)
LISTED: Final = ("backfill", "series", "source", "state", "asked for", "shards", "broken", "rows", "requests")


def print_announcement(plan: BackfillPlan) -> None:
    """Say on stderr what is about to be fetched and what it costs."""
    print_error(f"{_begun(plan)}: {_cost(plan)}")


def print_plans(found: Sequence[BackfillPlan], *, as_json: bool, several: bool) -> None:
    """What would be fetched and what it would cost; a list where there may be `several`."""
    if as_json:
        made = [_plan_json(plan) for plan in found]
        print_line(to_json(made if several else made[0]))
        return
    if not found:
        print_line("there is nothing to fill")
    for plan in found:
        print_line(f"{_asked(plan)}, from {plan.source} ({plan.tier} tier)")
        print_line(f"  {_begun(plan)}")
        print_line(f"  {_cost(plan)}")
        for note in plan.notes:
            print_line(fill(sanitize(note, 400), WIDTH, initial_indent="  ", subsequent_indent="    "))
        if not plan.fits:
            print_line("  that does not fit into what is left of the month")


def print_results(found: Sequence[BackfillResult], *, as_json: bool, several: bool) -> None:
    """What came of it; what ended it, and what to do next, goes to stderr."""
    if as_json:
        told = [result.as_json() for result in found]
        print_line(to_json(told if several else told[0]))
    elif found:
        print_table(RESULT, [_result_row(result) for result in found])
    else:
        print_line("there is nothing to fill")
    for result in found:
        for reason in result.broken[:SHOWN]:
            print_error(sanitize(reason, 1000))
        if len(result.broken) > SHOWN:
            print_error(
                f"and {len(result.broken) - SHOWN:,} more: `floorline backfill show {result.backfill_id}`"
            )
        aside = [f"a landing could not be loaded: {reason}" for reason in result.set_aside]
        for remark in filter(None, (*aside, str(result.error or ""), result.hint)):
            print_error(remark)


def print_list(found: Sequence[tuple[BackfillRecord, str | None]], *, as_json: bool) -> None:
    """All backfills, with who runs them at this moment."""
    if as_json:
        print_line(to_json([_record_json(one, holder) for one, holder in found]))
    elif not found:
        print_line("there is no backfill")
    else:
        print_table(LISTED, [_listed_row(one, holder) for one, holder in found])


def print_backfill(
    found: BackfillRecord, shards: Sequence[BackfillShard], holder: str | None, *, as_json: bool
) -> None:
    """One backfill, with the shards that are not whole."""
    if as_json:
        told = [dataclasses.asdict(shard) for shard in shards]
        print_line(to_json({**_record_json(found, holder), "shards": told}))
        return
    for name, value in _facts(found, holder):
        print_line(f"{name:>10}  {sanitize(value, 400)}")
    rest = [shard for shard in shards if shard.state != "done"]
    for shard in rest[:SHOWN]:
        why = f": {sanitize(shard.reason, 1000)}" if shard.reason else ""
        reached = f", read down to {_moment(shard.oldest)}" if shard.oldest else ""
        print_line(f"  {sanitize(shard_label(shard))}: {shard.state}{reached}{why}")
    if len(rest) > SHOWN:
        print_line(f"  and {len(rest) - SHOWN:,} more")


def print_cancelled(found: BackfillRecord, holder: str | None, *, as_json: bool) -> None:
    """One that was given up."""
    if as_json:
        print_line(to_json(_record_json(found, holder)))
        return
    left = found.shards - found.done
    hears = f"; {holder} stops with its next page" if holder else ""
    print_line(f"{found.backfill_id} is cancelled, {left:,} of {found.shards:,} shards left undone{hears}")


def pluralize(number: int, what: str) -> str:
    """So many of them, in words: one has no plural."""
    return f"{number:,} {what}{'s' * (number != 1)}"


def _asked(plan: BackfillPlan) -> str:
    request = plan.request
    what = f"{request.series} of {request.interval}" if request.interval else request.series
    items = "everything" if plan.items is None else pluralize(plan.items, "item")
    where = "all providers" if list(request.providers) == ["all"] else ", ".join(request.providers)
    window = f"{_moment(plan.start)} to {_moment(plan.end)}"
    return f"{what}: {items} at {where}, {request.currency.upper()}, {window}"


def _begun(plan: BackfillPlan) -> str:
    if not plan.shards:
        return (
            "all of it is held already"
            if not plan.backfill_id
            else f"{plan.backfill_id} has all of its shards"
        )
    if plan.backfill_id:
        return f"{plan.backfill_id} goes on: {pluralize(plan.begun, 'shard')} left, {len(plan.asks):,} new"
    return pluralize(plan.shards, "shard")


def _cost(plan: BackfillPlan) -> str:
    """The least and the most requests, their minutes, their share of what is left of the month."""
    least, most = plan.at_least, plan.at_most
    told = pluralize(least, "request")
    requests = told if least == most else f"at least {told}, {_most(most)}"
    parts = [requests]
    if plan.minutes[0] is not None:
        parts.append(f"{_between(*(_minutes(number) for number in plan.minutes))} at the tier's pace")
    if left := plan.month.left:
        parts.append(f"{_between(_share(least, left), _share(most, left))} of the {left:,} left of the month")
    return "; ".join(parts)


def _most(most: int | None) -> str:
    return "nobody knows how many at most" if most is None else f"at most {most:,}"


def _share(number: int | None, left: int) -> str | None:
    if number is None:
        return None
    return f"{number / left:.1%}" if number / left >= 0.001 else "less than 0.1%"


def _minutes(number: float | None) -> str | None:
    return None if number is None else format_duration(timedelta(minutes=number))


def _between(least: str | None, most: str | None) -> str:
    if most is None:
        return f"{least} or more"
    return least if least == most and least else f"{least} to {most}"


def _result_row(result: BackfillResult) -> tuple[Any, ...]:
    shards = (result.shards_done, result.shards_broken, result.shards_left)
    rows = (result.rows, result.rows_new, result.rows_rejected)
    names = (result.backfill_id, result.series, result.state)
    return (*names, *shards, *rows, result.requests, result.quota_remaining)


def _listed_row(found: BackfillRecord, holder: str | None) -> tuple[Any, ...]:
    names = (found.backfill_id, found.series, found.source, _state(found, holder), _request(found))
    return (*names, f"{found.done:,}/{found.shards:,}", found.broken, found.rows, found.requests)


def _facts(found: BackfillRecord, holder: str | None) -> list[tuple[str, str]]:
    at_most = "unknown" if found.at_most is None else f"{found.at_most:,}"
    return [
        ("backfill", found.backfill_id),
        ("state", _state(found, holder)),
        ("asked for", _request(found)),
        ("source", found.source),
        ("shards", f"{found.done:,} of {found.shards:,} done, {found.broken:,} broken"),
        ("rows", f"{found.rows:,}"),
        ("requests", f"{found.requests:,} (planned: at least {found.at_least:,}, at most {at_most})"),
        ("begun", _moment(found.created_at)),
        ("updated", _moment(found.updated_at)),
        *([("reason", found.reason)] if found.reason else []),
    ]


def _state(found: BackfillRecord, holder: str | None) -> str:
    """The state as it is now: one that nobody runs any more was interrupted."""
    if found.state != "running":
        return found.state
    return f"running ({holder})" if holder else "interrupted"


def _request(found: BackfillRecord) -> str:
    """What was asked for, in one line."""
    asked = found.request
    items, providers = (list(asked.get(name) or ()) for name in ("items", "providers"))
    named = str(items[0]) if len(items) == 1 else f"{len(items):,} items"
    start, end = (str(asked.get(name) or "")[:16].replace("T", " ") for name in ("start", "end"))
    where = "all providers" if providers == ["all"] else ", ".join(map(str, providers))
    return f"{named} at {where}, {asked.get('currency')}, {start} to {end or 'now'}"


def _plan_json(plan: BackfillPlan) -> dict[str, Any]:
    return {
        "backfill_id": plan.backfill_id or None,
        "request": plan.request.model_dump(mode="json"),
        "source": plan.source,
        "tier": plan.tier,
        "start": plan.start,
        "end": plan.end,
        "items": plan.items,
        "shards": plan.shards,
        "shards_begun": plan.begun,
        "requests_at_least": plan.at_least,
        "requests_at_most": plan.at_most,
        "minutes_at_least": plan.minutes[0],
        "minutes_at_most": plan.minutes[1],
        "month_left": plan.month.left,
        "fits": plan.fits,
        "notes": plan.notes,
    }


def _record_json(found: BackfillRecord, holder: str | None) -> dict[str, Any]:
    counts = {"shards": found.shards, "shards_done": found.done, "shards_broken": found.broken}
    fields = dataclasses.asdict(found)
    for name in ("shards", "done", "broken", "holder"):
        del fields[name]
    return {**fields, **counts, "run_by": holder}


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else ""

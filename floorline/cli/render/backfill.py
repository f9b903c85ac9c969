"""Print the results of `floorline backfill`: plans and their cost, results, backfills and their shards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from common.text import sanitize
from floorline.cli.json_output import print_result
from floorline.cli.outputs.backfill import (
    BackfillDetailsOutput,
    BackfillOutput,
    BackfillPlanOutput,
    BackfillRunOutput,
    BackfillSummaryOutput,
    ShardOutput,
)
from floorline.console import print_error, print_line, print_table
from pipelines.backfill.extraction import shard_label
from pipelines.backfill.plan import BackfillPlan
from pipelines.backfill.plan_text import describe_cost, describe_request, describe_shards, format_minute
from pipelines.backfill.results import BackfillResult
from warehouse.state.backfill_rows import BackfillRecord, BackfillShard

MAX_LINES: Final = 20  # of shards; --json has all of them
RESULT_COLUMNS: Final = (
    "backfill", "series", "state", "shards done", "broken", "left", "rows", "new", "rejected", "requests",
    "quota left",
)  # fmt: skip
LIST_COLUMNS: Final = (
    "backfill", "series", "source", "state", "request", "shards", "broken", "rows", "requests",
)  # fmt: skip
LIST_FIRST: Final = ("backfill", "state", "shards", "broken", "rows", "requests")


def print_announcement(plan: BackfillPlan) -> None:
    """Print on stderr the shards of a run and the cost."""
    print_error(f"{describe_shards(plan)}: {describe_cost(plan)}")


def print_plans(plans: Sequence[BackfillPlan], *, as_json: bool) -> None:
    """Print what would be fetched and its cost."""
    if as_json:
        outputs = tuple(map(BackfillPlanOutput.from_plan, plans))
        print_result("backfill", BackfillOutput(dry_run=True, plans=outputs))
        return
    if not plans:
        print_line("there is no gap to fill")
    for plan in plans:
        print_line(f"{describe_request(plan)}, from {plan.source} ({plan.tier} tier)")
        print_line(f"  {describe_shards(plan)}")
        print_line(f"  {describe_cost(plan)}")
        for note in plan.notes:
            print_line(f"  {sanitize(note, 1000)}")
        if not plan.fits:
            print_line("  the month does not have enough requests left for this backfill")


def print_results(results: Sequence[BackfillResult], *, as_json: bool, quiet: bool) -> None:
    """Print results on stdout; broken shards, errors and hints on stderr; `quiet`: only what is not done."""
    if as_json:
        outputs = tuple(map(BackfillRunOutput.from_result, results))
        print_result("backfill", BackfillOutput(dry_run=False, runs=outputs))
    elif quiet and all(result.exit_code == 0 for result in results):
        return
    elif results:
        print_table(RESULT_COLUMNS, [_result_row(result) for result in results], noun="backfill")
    else:
        print_line("there is no gap to fill")
    for result in results:
        for reason in result.broken[:MAX_LINES]:
            print_error(sanitize(reason, 1000))
        if len(result.broken) > MAX_LINES:
            more = len(result.broken) - MAX_LINES
            print_error(f"and {more:,} more: `floorline backfill show {result.backfill_id}`")
        failed_loads = [f"a landing could not be loaded: {reason}" for reason in result.set_aside]
        for note in filter(None, (*failed_loads, str(result.error or ""), result.hint)):
            print_error(note)


def print_list(backfills: Sequence[tuple[BackfillRecord, str | None]], *, as_json: bool) -> None:
    """Print all backfills, each with the process that runs it now."""
    if as_json:
        print_result("backfill list", [BackfillSummaryOutput.from_record(*pair) for pair in backfills])
    elif not backfills:
        print_line("there is no backfill")
    else:
        rows = [_list_row(record, holder) for record, holder in backfills]
        print_table(LIST_COLUMNS, rows, noun="backfill", first=LIST_FIRST)


def print_backfill(
    record: BackfillRecord, shards: Sequence[BackfillShard], holder: str | None, *, as_json: bool
) -> None:
    """Print one backfill and its unfinished shards; the JSON has all shards."""
    if as_json:
        summary = BackfillSummaryOutput.from_record(record, holder)
        all_shards = tuple(map(ShardOutput.from_shard, shards))
        print_result("backfill show", BackfillDetailsOutput(summary, all_shards))
        return
    for name, value in _fields(record, holder):
        print_line(f"{name:>10}  {sanitize(value, 400)}")
    unfinished = [shard for shard in shards if shard.state != "done"]
    for shard in unfinished[:MAX_LINES]:
        reason = f": {sanitize(shard.reason, 1000)}" if shard.reason else ""
        reached = f", read down to {format_minute(shard.oldest)}" if shard.oldest else ""
        print_line(f"  {sanitize(shard_label(shard))}: {shard.state}{reached}{reason}")
    if len(unfinished) > MAX_LINES:
        print_line(f"  and {len(unfinished) - MAX_LINES:,} more")


def print_cancelled(record: BackfillRecord, holder: str | None, *, as_json: bool) -> None:
    """Print a cancelled backfill, and the process that still runs it."""
    if as_json:
        print_result("backfill cancel", BackfillSummaryOutput.from_record(record, holder))
        return
    left = f"{record.shards - record.done:,} of {record.shards:,} shards left undone"
    stops = f"; {holder} stops at its next page" if holder else ""
    print_line(f"{record.backfill_id} is cancelled, {left}{stops}")


def _result_row(result: BackfillResult) -> tuple[Any, ...]:
    names = (result.backfill_id, result.series, result.state)
    shards = (result.shards_done, result.shards_broken, result.shards_left)
    rows = (result.rows, result.rows_new, result.rows_rejected)
    return (*names, *shards, *rows, result.requests, result.quota_remaining)


def _list_row(record: BackfillRecord, holder: str | None) -> tuple[Any, ...]:
    names = (record.backfill_id, record.series, record.source, _state(record, holder), _request(record))
    return (*names, f"{record.done:,}/{record.shards:,}", record.broken, record.rows, record.requests)


def _fields(record: BackfillRecord, holder: str | None) -> list[tuple[str, str]]:
    at_most = "unknown" if record.at_most is None else f"{record.at_most:,}"
    return [
        ("backfill", record.backfill_id),
        ("state", _state(record, holder)),
        ("request", _request(record)),
        ("source", record.source),
        ("shards", f"{record.done:,} of {record.shards:,} done, {record.broken:,} broken"),
        ("rows", f"{record.rows:,}"),
        ("requests", f"{record.requests:,} (planned: at least {record.at_least:,}, at most {at_most})"),
        ("created", format_minute(record.created_at)),
        ("updated", format_minute(record.updated_at)),
        *([("reason", record.reason)] if record.reason else []),
    ]


def _state(record: BackfillRecord, holder: str | None) -> str:
    """Return the current state: a running backfill without a process was interrupted."""
    if record.state != "running":
        return record.state
    return f"running ({holder})" if holder else "interrupted"


def _request(record: BackfillRecord) -> str:
    """Return the request in one line."""
    request = record.request
    items, providers = (list(request.get(name) or ()) for name in ("items", "providers"))
    item_label = str(items[0]) if len(items) == 1 else f"{len(items):,} items"
    provider_label = "all providers" if providers == ["all"] else ", ".join(map(str, providers))
    start, end = (str(request.get(name) or "")[:16].replace("T", " ") for name in ("start", "end"))
    return f"{item_label} at {provider_label}, {request.get('currency')}, {start} to {end or 'now'}"

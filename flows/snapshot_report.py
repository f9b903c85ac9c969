"""What the flow run of a snapshot tells: lines of its log, and an artifact with marketplaces and moves."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence

from prefect import get_run_logger
from prefect.artifacts import acreate_markdown_artifact
from prefect.runtime import deployment, flow_run
from prefect.settings import PREFECT_UI_URL

from common.shards import item_label
from common.text import escape, format_amount, pluralize, sanitize
from flows.artifacts import artifact_key, code_span
from pipelines.alerts.prefect_channels import page_key
from pipelines.alerts.rules import CAUSE_BY_STATE
from pipelines.results import RunResult
from warehouse.loading.run import LoadReport, PriceMove

LOGGED_MOVES = 3  # each line of a log takes a kilobyte of Prefect's database; the artifact has ten


def summarize(result: RunResult) -> str:
    """Return the result of a run in one line."""
    if result.incomplete_reason:
        return f"{result.state}: {sanitize(result.incomplete_reason, 1000)}"
    load = result.load
    changed = f", {load.rows_fetched:,} rows, {load.rows_changed:,} changed" if load else ""
    return f"{result.state}: {result.requests} requests{changed}"


def log_result(result: RunResult) -> None:
    """Log what was loaded, what was rejected, the biggest moves, and how the run ended."""
    logger = get_run_logger()
    load = result.load
    if load is not None:
        logger.info("%s: loaded %s", result.basket, _describe_load(load))
        if load.rows_rejected:
            reasons = sanitize(load.reject_reasons, 1000)
            logger.warning(
                "%s: rejected %s: %s", result.basket, pluralize(load.rows_rejected, "row"), reasons
            )
        for move in load.moves[:LOGGED_MOVES]:
            logger.info("%s: moved %s", result.basket, " ".join(map(sanitize, _move_cells(move))))
    level = logging.ERROR if result.exit_code else logging.INFO
    logger.log(level, "%s: %s", result.basket, summarize(result))


async def publish_report(result: RunResult) -> None:
    """Publish the report of one basket; each run adds a version to the basket's artifact."""
    await acreate_markdown_artifact(
        key=artifact_key("snapshot", result.basket),
        markdown="\n".join(_lines(result)),
        description=code_span(summarize(result)),
    )


def _lines(result: RunResult) -> Iterator[str]:
    load = result.load
    yield f"# {result.basket}: {result.state}\n"
    if result.incomplete_reason:
        yield f"- {code_span(result.incomplete_reason)}"
    if load is not None:
        yield f"- {_describe_load(load)}"
        if load.rows_rejected:
            yield f"- {pluralize(load.rows_rejected, 'row')} rejected: {code_span(load.reject_reasons)}"
    left = "" if result.quota_remaining is None else f", {result.quota_remaining:,} left of the month"
    yield f"- {pluralize(result.requests, 'request')}{left}"
    yield f"- run: {code_span(result.run_id)}, from {code_span(result.source)}\n"
    if load is not None and load.marketplaces:
        columns = ("marketplace", "currency", "rows", "changed", "closed", "complete")
        yield from _table("Marketplaces", columns, _marketplace_rows(load))
    if load is not None and load.moves:
        columns = ("item", "marketplace", "was", "is", "currency", "move")
        yield from _table("Biggest moves", columns, map(_move_cells, load.moves))
    yield from _links(result)


def _describe_load(load: LoadReport) -> str:
    counts = (
        f"{pluralize(load.rows_fetched, 'row')}, {load.rows_changed:,} changed, {load.rows_closed:,} closed"
    )
    late = f", {load.rows_late:,} late" if load.rows_late else ""
    held = "".join(f"; {escape(suspect.provider)}: {suspect.reason}" for suspect in load.held)
    return f"{counts}{late}{sanitize(held, 1000)}"


def _marketplace_rows(load: LoadReport) -> Iterator[tuple[str, ...]]:
    for market in load.marketplaces:
        counts = (f"{count:,}" for count in (market.rows, market.rows_changed, market.rows_closed))
        yield escape(market.provider), market.currency, *counts, "yes" if market.complete else "no"


def _move_cells(move: PriceMove) -> tuple[str, ...]:
    percent = (move.price / move.was - 1) * 100
    return (
        item_label(move.market_hash_name, move.phase),
        escape(move.provider),
        format_amount(move.was),
        format_amount(move.price),
        move.currency,
        f"{percent:+,.1f}%",
    )


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a table of Markdown, whose cells are code spans: foreign names do nothing in it."""
    yield f"## {title}\n"
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        cells = (code_span(cell).replace("|", r"\|") for cell in row)
        yield f"| {' | '.join(cells)} |"
    yield ""


def _links(result: RunResult) -> Iterator[str]:
    """Yield links to the run, the schedule and, if an error stopped the source, the page of its alert."""
    base = (PREFECT_UI_URL.value() or "").rstrip("/")
    if not base:
        return
    links = [("this run", f"runs/flow-run/{flow_run.id}")]
    if deployment.id:
        links.append(("the schedule and all of its runs", f"deployments/deployment/{deployment.id}"))
    links.append(("earlier reports", f"artifacts/key/{artifact_key('snapshot', result.basket)}"))
    if result.state in CAUSE_BY_STATE:
        key = page_key(CAUSE_BY_STATE[result.state], result.source)
        links.append(("the alert, and what to do", f"artifacts/key/{key}"))
    yield "## Links\n"
    for text, path in links:
        yield f"- [{text}]({base}/{path})"

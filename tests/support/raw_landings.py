"""Landings of raw rows, as streams and raw pages write them, and their load."""

from __future__ import annotations

from pathlib import Path

from connectors.cs2cap.contract import ASKS, BookSide
from connectors.cs2cap.raw_page import decode_exact_rows
from pipelines.loading import parse_raw_rows
from tests.support.warehouse import DAY, minute, run_header
from warehouse.landing.model import ShardHeader
from warehouse.landing.writer import LandingWriter, ShardWriter
from warehouse.loading.pipeline import load_pending
from warehouse.loading.run import LoadReport
from warehouse.paths import WarehousePaths

PROVIDERS = ("steam", "buff163")


def shard_header(book_side: BookSide = ASKS) -> ShardHeader:
    """Return the header of a shard of one side of the book."""
    return ShardHeader(
        number=0, currency="USD", deliveries=(book_side.delivery,), providers=PROVIDERS, items=None
    )


def count_exact_rows(text: bytes, book_side: BookSide) -> int | None:
    """Return how many rows a chunk has; None where a row must be parsed by itself."""
    rows = decode_exact_rows(text, book_side)
    return None if rows is None else len(rows)


def append_chunks(writer: ShardWriter, *chunks: bytes, book_side: BookSide = ASKS, at: float = 0) -> None:
    """Append the chunks of a stream, observed so many minutes after noon."""
    for chunk in chunks:
        count = count_exact_rows(chunk, book_side)
        writer.ndjson_writer.append(
            [chunk], count, written=book_side.wire_names, observed_at=minute(at), landed_at=minute(at)
        )


def land(
    paths: WarehousePaths, *chunks: bytes, run: str = "one", book_side: BookSide = ASKS, at: int = 0
) -> Path:
    """Land the chunks of a complete stream; return the folder."""
    with LandingWriter(paths.landing, run_header(run, minute(at))) as landing:
        writer = landing.open_shard(shard_header(book_side))
        append_chunks(writer, *chunks, book_side=book_side)
        writer.finish(complete=True, reason=None)
        landing.finish("done")
    return landing.folder


def load(paths: WarehousePaths) -> LoadReport:
    """Load the one pending landing."""
    (report,) = load_pending(
        paths, now=lambda: minute(600), keep=365 * DAY, wait=0, row_parser=parse_raw_rows
    )
    return report


def was_converted(paths: WarehousePaths) -> bool:
    """Return whether a raw shard was converted row by row."""
    return bool(list(paths.landing.glob("*/0000.arrow.zst")))

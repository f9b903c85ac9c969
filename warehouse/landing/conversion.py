"""Lines that hold something else than expected, or were torn: typed row by row, into a file of pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NoReturn

from warehouse.landing.ndjson import LandedRawShard, RowParser
from warehouse.landing.reader import CorruptLanding, LandedRun, read_run
from warehouse.landing.writer import ShardWriter


def no_parser(shard: LandedRawShard) -> NoReturn:
    """For callers that have lines typed by nobody. Raises Unreadable."""
    raise CorruptLanding(shard.path.parent, f"{shard.path.name} is to be typed row by row")


def convert_raw_shards(
    run: LandedRun, retype: RowParser, which: Callable[[LandedRawShard], bool] = lambda _: True
) -> LandedRun:
    """The landing with pages in place of those lines. Raises Unreadable and WarehouseFull."""
    chosen = [shard for shard in run.lines if which(shard)]
    for shard in chosen:
        _convert(shard, retype)
    return read_run(run.folder) if chosen else run


def needs_row_parsing(shard: LandedRawShard) -> bool:
    """Whether it may lack its end, or hold a row that is not as it should be."""
    return shard.count is None


def _convert(shard: LandedRawShard, retype: RowParser) -> None:
    writer = ShardWriter(shard.path.parent, shard.header)
    writer.file.path.unlink(missing_ok=True)  # of a process that was killed at this
    unknown: Counter[str] = Counter()
    for mark, rows, fields in retype(shard):
        writer.append(mark, rows)
        unknown.update(fields)
    writer.finish(complete=shard.complete, reason=shard.reason, unknown_fields=unknown)

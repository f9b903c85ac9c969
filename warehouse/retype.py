"""Lines that hold something else than expected, or were torn: typed row by row, into a file of pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NoReturn

from warehouse.landed import LandedRun, Unreadable, read_run
from warehouse.landing import ShardWriter
from warehouse.lines import LandedLines, Retype


def nobody(shard: LandedLines) -> NoReturn:
    """For callers that have lines typed by nobody. Raises Unreadable."""
    raise Unreadable(shard.path.parent, f"{shard.path.name} is to be typed row by row")


def retyped(
    run: LandedRun, retype: Retype, which: Callable[[LandedLines], bool] = lambda _: True
) -> LandedRun:
    """The landing with pages in place of those lines. Raises Unreadable and WarehouseFull."""
    chosen = [shard for shard in run.lines if which(shard)]
    for shard in chosen:
        _retype(shard, retype)
    return read_run(run.folder) if chosen else run


def torn(shard: LandedLines) -> bool:
    """Whether it may lack its end, or hold a row that is not as it should be."""
    return shard.count is None


def _retype(shard: LandedLines, retype: Retype) -> None:
    writer = ShardWriter(shard.path.parent, shard.header)
    writer.file.path.unlink(missing_ok=True)  # of a process that was killed at this
    unknown: Counter[str] = Counter()
    for mark, rows, fields in retype(shard):
        writer.append(mark, rows)
        unknown.update(fields)
    writer.finish(complete=shard.complete, reason=shard.reason, unknown_fields=unknown)

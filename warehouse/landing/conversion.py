"""Convert raw shards that DuckDB cannot load as they are: parse them row by row into typed pages."""

from __future__ import annotations

from typing import NoReturn

from common.field_counts import FieldCounts
from warehouse.landing.ndjson import LandedRawShard, RowParser
from warehouse.landing.reader import CorruptLanding, LandedRun, read_run
from warehouse.landing.writer import ShardWriter


def no_parser(shard: LandedRawShard) -> NoReturn:
    """Refuse to parse, for callers without a connector. Raises CorruptLanding."""
    raise CorruptLanding(shard.path.parent, f"{shard.path.name} must be parsed row by row")


def convert_raw_shards(run: LandedRun, row_parser: RowParser, *, inexact_only: bool = False) -> LandedRun:
    """Convert all raw shards, or those with an unknown count of rows; return the landing as it is then.

    Raises CorruptLanding and WarehouseFull.
    """
    shards = [shard for shard in run.raw_shards if shard.count is None or not inexact_only]
    for shard in shards:
        writer = ShardWriter(run.folder, shard.header)
        writer.arrow_writer.path.unlink(missing_ok=True)  # left by a conversion that was killed
        unknown_fields = FieldCounts()
        for meta, rows, fields in row_parser(shard):
            writer.append(meta, rows)
            unknown_fields.add(fields)
        # This writes 0001.json, from which on the typed pages replace the raw shard.
        writer.finish(complete=shard.complete, reason=shard.reason, unknown_fields=unknown_fields)
    return read_run(run.folder) if shards else run

"""Landings of older versions can be read: each test spells out the JSON as an older version wrote it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from backports import zstd

from common.shards import Item
from warehouse.landing.arrow import PAGE_SCHEMA
from warehouse.landing.model import PageMeta, RunHeader, ShardHeader
from warehouse.landing.plain_arrow import FORMAT
from warehouse.landing.reader import CorruptLanding, read_header, read_run
from warehouse.landing.series import SCHEMAS, SeriesHeader, SeriesPageMeta, read_series

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
AFTER_NOON = datetime(2026, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)
RUN = (
    b'{"run_id": "r1", "flow": "snapshot", "source": "cs2cap", "basket": "all",'
    b' "started_at": "2026-06-01T12:00:00.123456+00:00", "interval_seconds": 600}'
)
SHARD = (
    b'{"number": 1, "currency": "EUR", "deliveries": ["standard", "instant"],'
    b' "providers": ["steam", "buff163"],'
    b' "items": [["1", "AK-47 | Redline", null], [null, "Karambit | Doppler", "Ruby"]], "listing": false}'
)
SHARD_HEADER = ShardHeader(
    number=1,
    currency="EUR",
    deliveries=("standard", "instant"),
    providers=("steam", "buff163"),
    items=(Item("1", "AK-47 | Redline", None), Item(None, "Karambit | Doppler", "Ruby")),
)
# The first version wrote one `delivery`, and neither `listing` nor the rejects of a page without any.
FIRST_SHARD = b'{"number": 1, "currency": "USD", "delivery": "standard", "providers": [], "items": null}'
FIRST_SHARD_HEADER = ShardHeader(number=1, currency="USD", deliveries=("standard",), providers=(), items=None)
PAGE = (
    b'{"request": 0, "offset": 200, "total": -1, "observed_at": "2026-06-01T12:00:00+00:00",'
    b' "landed_at": "2026-06-01T12:00:00.123456+00:00", "fingerprint": "ab",'
    b' "rejects": [["no price", "{\\"a\\": 1}"]]}'
)
PAGE_META = PageMeta(
    request=0,
    offset=200,
    total=-1,
    observed_at=NOON,
    landed_at=AFTER_NOON,
    fingerprint="ab",
    rejects=(("no price", '{"a": 1}'),),
)
FIRST_PAGE = (
    b'{"request": 0, "offset": 0, "total": 7, "observed_at": "2026-06-01T12:00:00+00:00",'
    b' "landed_at": "2026-06-01T12:00:00+00:00", "fingerprint": ""}'
)
FIRST_PAGE_META = PageMeta(request=0, offset=0, total=7, observed_at=NOON, landed_at=NOON, fingerprint="")


def write_stream(path: Path, header: bytes, *pages: bytes, schema: pa.Schema = PAGE_SCHEMA) -> int:
    """Write an Arrow IPC stream with these literal headers, a batch without rows a page; return its size."""
    with pa.OSFile(str(path), "wb") as file:
        stream = pa.ipc.new_stream(file, schema.with_metadata({FORMAT: header}))
        for page in pages:
            batch = pa.RecordBatch.from_pylist([], schema=schema)
            stream.write_batch(batch, custom_metadata={FORMAT: page})
        stream.close()
    return path.stat().st_size


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a landing that has a header and no shard yet."""
    (tmp_path / "run.json").write_bytes(RUN)
    return tmp_path


def test_run_header_is_read(folder: Path) -> None:
    assert read_header(folder) == RunHeader(
        run_id="r1",
        flow="snapshot",
        source="cs2cap",
        basket="all",
        started_at=AFTER_NOON,
        interval_seconds=600,
    )


def test_run_header_without_an_interval_is_read(folder: Path) -> None:
    header = json.loads(RUN)
    del header["interval_seconds"]
    (folder / "run.json").write_text(json.dumps(header))
    assert read_header(folder).interval_seconds is None


@pytest.mark.parametrize(
    ("header", "page", "expected"),
    [
        (SHARD, PAGE, (SHARD_HEADER, PAGE_META)),
        (FIRST_SHARD, FIRST_PAGE, (FIRST_SHARD_HEADER, FIRST_PAGE_META)),
    ],
    ids=["current", "first"],
)
def test_shard_with_and_without_its_manifest_is_read(
    folder: Path, header: bytes, page: bytes, expected: tuple[ShardHeader, PageMeta]
) -> None:
    size = write_stream(folder / "0001.arrow", header, page)
    (truncated,) = read_run(folder).shards
    assert (truncated.header, truncated.pages) == (expected[0], ((0, expected[1]),))
    assert (truncated.complete, truncated.reason) == (False, "interrupted")

    manifest = (
        b'{"header": %s, "complete": true, "reason": null, "pages": [[0, %s]], "bytes": %d,'
        b' "unknown_fields": {"float_value": 2}}'
    )
    (folder / "0001.json").write_bytes(manifest % (header, page, size))
    (shard,) = read_run(folder).shards
    assert (shard.header, shard.pages) == (expected[0], ((0, expected[1]),))
    assert (shard.complete, shard.reason, shard.unknown_fields) == (True, None, {"float_value": 2})
    assert [meta for meta, _ in shard.batches()] == [expected[1]]


def test_manifest_without_unknown_fields_is_read(folder: Path) -> None:
    size = write_stream(folder / "0001.arrow", FIRST_SHARD, FIRST_PAGE)
    manifest = b'{"header": %s, "complete": false, "reason": "cut short", "pages": [], "bytes": %d}'
    (folder / "0001.json").write_bytes(manifest % (FIRST_SHARD, size))
    (shard,) = read_run(folder).shards
    assert (shard.complete, shard.reason, shard.unknown_fields) == (False, "cut short", {})


def test_shard_whose_manifest_has_another_size_is_corrupt(folder: Path) -> None:
    write_stream(folder / "0001.arrow", SHARD, PAGE)
    manifest = b'{"header": %s, "complete": true, "reason": null, "pages": [[0, %s]], "bytes": 1}'
    (folder / "0001.json").write_bytes(manifest % (SHARD, PAGE))
    with pytest.raises(CorruptLanding, match=r"0001\.arrow has .* bytes of 1$"):
        read_run(folder)


def test_shard_whose_manifest_has_no_size_is_interrupted(folder: Path) -> None:
    write_stream(folder / "0001.arrow", SHARD, PAGE)
    manifest = b'{"header": %s, "complete": true, "reason": null, "pages": [[0, %s]]}'
    (folder / "0001.json").write_bytes(manifest % (SHARD, PAGE))
    (shard,) = read_run(folder).shards
    assert (shard.complete, shard.reason, len(shard.pages)) == (False, "interrupted", 1)


@pytest.mark.parametrize("paged", [False, True], ids=["stream", "paged"])
def test_raw_shard_is_read(folder: Path, paged: bool) -> None:
    row = b'{"item_id":1}'
    if paged:
        mark_line = json.dumps({"floorline_mark": PAGE.decode()}).encode()
        text = mark_line + b'\n{"floorline_page":100000,' + row[1:] + b"\n"
    else:
        text = row + b"\n"
    (folder / "0001.lines.zst").write_bytes(zstd.compress(text))
    head = b'{"header": %s, "written": {"item_id": "item_id"}, "paged": %s, "mark": %s' % (
        SHARD, b"true" if paged else b"false", PAGE,
    )  # fmt: skip
    (folder / "0001.lines.json").write_bytes(head + b"}")
    (truncated,) = read_run(folder).raw_shards
    assert (truncated.header, truncated.head.mark, truncated.head.paged) == (SHARD_HEADER, PAGE_META, paged)
    assert (truncated.complete, truncated.reason, truncated.count) == (False, "interrupted", None)

    end = b', "end": {"complete": true, "reason": null, "count": 1, "pages": [%s], "bytes": %d}}' % (
        b"[100000, %s]" % PAGE if paged else b"",
        (folder / "0001.lines.zst").stat().st_size,
    )
    (folder / "0001.lines.json").write_bytes(head + end)
    (shard,) = read_run(folder).raw_shards
    assert (shard.complete, shard.reason, shard.count, shard.head.written) == (
        True, None, 1, {"item_id": "item_id"},
    )  # fmt: skip
    assert shard.pages == ((100000, PAGE_META),)
    assert [(meta, rows.strip()) for meta, rows in shard.chunks()] == [(PAGE_META, row)]


@pytest.mark.parametrize("item", [["1", "AK-47 | Redline", None], None], ids=["item", "everything"])
def test_series_is_read(folder: Path, item: list[str | None] | None) -> None:
    header = (
        b'{"number": 1, "series": "points", "backfill_id": "b1", "shard": 4, "currency": "USD",'
        b' "provider": null, "item": %s,'
        b' "start": "2026-06-01T12:00:00+00:00", "end": "2026-06-01T12:00:00.123456+00:00",'
        b' "interval": null}'
    ) % json.dumps(item).encode()
    pages = (
        b'{"number": 0, "cursor": null, "next_cursor": "c1", "observed_at": "2026-06-01T12:00:00+00:00",'
        b' "landed_at": "2026-06-01T12:00:00.123456+00:00", "oldest": "2026-06-01T12:00:00+00:00", "rows": 2,'
        b' "rejects": [["no price", "[1"]]}',
        b'{"number": 1, "cursor": "c1", "next_cursor": null, "observed_at": "2026-06-01T12:00:00+00:00",'
        b' "landed_at": "2026-06-01T12:00:00+00:00", "oldest": null, "rows": 0}',
    )
    write_stream(folder / "s0001.arrow", header, *pages, schema=SCHEMAS["points"])
    (truncated,) = read_series(folder)
    assert (truncated.complete, truncated.reason) == (False, "interrupted")
    (folder / "s0001.json").write_bytes(b'{"complete": true, "reason": null, "pages": 2}')
    (series,) = read_series(folder)
    assert (series.complete, series.reason) == (True, None)
    assert series.header == SeriesHeader(
        number=1,
        series="points",
        backfill_id="b1",
        shard=4,
        currency="USD",
        provider=None,
        item=None if item is None else Item("1", "AK-47 | Redline", None),
        start=NOON,
        end=AFTER_NOON,
    )
    assert series.pages == truncated.pages == (
        SeriesPageMeta(
            number=0, cursor=None, next_cursor="c1", observed_at=NOON, landed_at=AFTER_NOON,
            oldest=NOON, rows=2, rejects=(("no price", "[1"),),
        ),
        SeriesPageMeta(
            number=1, cursor="c1", next_cursor=None, observed_at=NOON, landed_at=NOON, oldest=None, rows=0
        ),
    )  # fmt: skip

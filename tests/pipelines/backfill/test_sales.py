"""The watermark of sales: the next read starts where the sales of the last complete read were final."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.backfill.request import BackfillRequest
from pipelines.backfill.sales import next_request, watermark
from pipelines.config import Settings, parse_settings
from tests.support.backfill_state import begin_backfill, page_meta, series_shard
from tests.support.clocks import NOON
from tests.support.snapshots import basket
from warehouse.state.backfills import BackfillStore

DAY, LAG = timedelta(days=1), timedelta(hours=48)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return parse_settings({"sources": {"cs2cap": {"sales": "24h"}}, "baskets": [basket()]}, tmp_path)


@pytest.fixture
def backfills(settings: Settings) -> BackfillStore:
    settings.root.mkdir()
    return BackfillStore(settings.paths)


def record_read(
    backfills: BackfillStore, start: datetime, observed: datetime, *, done: bool = True, **fields: Any
) -> None:
    """Record a read of all sales since `start`; `fields` override its request."""
    source = fields.pop("source", "cs2cap")
    request = BackfillRequest(**{"series": "sales", "source": source, "start": start, **fields})
    record = begin_backfill(
        backfills,
        series_shard(None, start=start, end=request.end or observed),
        series=request.series,
        source=source,
        request=request.model_dump(mode="json"),
        digest=request.digest,
    )
    backfills.record_pages(record.backfill_id, 0, page_meta(0, last=done, observed_at=observed, oldest=start))
    backfills.finish(record.backfill_id, "done" if done else "incomplete")


def test_first_read_starts_48_hours_ago(settings: Settings) -> None:
    request = next_request(settings, "cs2cap", NOON)
    assert (request.series, request.source, request.currency) == ("sales", "cs2cap", "USD")
    assert (request.start, request.end) == (NOON - LAG, None)
    assert (request.items, request.providers) == (("all",), ("all",))


def test_next_read_starts_48_hours_before_the_watermark(settings: Settings, backfills: BackfillStore) -> None:
    record_read(backfills, NOON - LAG, NOON)
    assert watermark(backfills, "cs2cap") == NOON
    week_later = next_request(settings, "cs2cap", NOON + 7 * DAY)
    assert week_later.start == NOON - LAG
    record_read(backfills, week_later.start, NOON + 7 * DAY)
    assert next_request(settings, "cs2cap", NOON + 8 * DAY).start == NOON + 7 * DAY - LAG


def test_incomplete_read_does_not_move_the_watermark(settings: Settings, backfills: BackfillStore) -> None:
    record_read(backfills, NOON - LAG, NOON)
    record_read(backfills, NOON - DAY, NOON + DAY, done=False)
    assert next_request(settings, "cs2cap", NOON + 2 * DAY).start == NOON - LAG


def test_read_after_a_gap_does_not_move_the_watermark(backfills: BackfillStore) -> None:
    record_read(backfills, NOON - LAG, NOON)
    record_read(backfills, NOON + 5 * DAY, NOON + 6 * DAY)
    assert watermark(backfills, "cs2cap") == NOON
    record_read(backfills, NOON - DAY, NOON + 7 * DAY)
    assert watermark(backfills, "cs2cap") == NOON + 7 * DAY


def test_watermark_does_not_pass_the_end_of_a_read(backfills: BackfillStore) -> None:
    record_read(backfills, NOON - 5 * DAY, NOON, end=NOON - 3 * DAY)
    assert watermark(backfills, "cs2cap") == NOON - 3 * DAY


@pytest.mark.parametrize(
    "fields",
    [
        {"series": "points"},
        {"source": "other"},
        {"currency": "EUR"},
        {"providers": ["csfloat"]},
        {"items": [1]},
    ],
    ids=str,
)
def test_only_reads_of_all_sales_move_the_watermark(backfills: BackfillStore, fields: dict[str, Any]) -> None:
    record_read(backfills, NOON - 4 * DAY, NOON, **fields)
    assert watermark(backfills, "cs2cap") is None

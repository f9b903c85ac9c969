"""Sales: the next read begins where all of them had been told when everything was last read."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.errors import ConfigError
from flows.deployments import render_prefect_yaml
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
    return BackfillStore(settings.root / "state.db")


def was_read(
    backfills: BackfillStore, start: datetime, observed: datetime, *, done: bool = True, **told: Any
) -> None:
    """Note a read of all sales since a moment, unless `told` says otherwise."""
    source = told.pop("source", "cs2cap")
    request = BackfillRequest(**{"series": "sales", "source": source, "start": start, **told})
    begun = begin_backfill(
        backfills,
        series_shard(None, start=start, end=request.end or observed),
        series=request.series,
        source=source,
        request=request.model_dump(mode="json"),
        digest=request.digest,
    )
    backfills.record_pages(begun.backfill_id, 0, page_meta(0, last=done, observed_at=observed, oldest=start))
    backfills.finish(begun.backfill_id, "done" if done else "incomplete")


def test_the_first_read_goes_back_48_hours(settings: Settings) -> None:
    request = next_request(settings, "cs2cap", NOON)
    assert (request.series, request.source, request.currency) == ("sales", "cs2cap", "USD")
    assert (request.start, request.end) == (NOON - LAG, None)
    assert (request.items, request.providers) == (("all",), ("all",))


def test_each_read_goes_back_48_hours_behind_the_last_one(
    settings: Settings, backfills: BackfillStore
) -> None:
    was_read(backfills, NOON - LAG, NOON)
    assert watermark(backfills, "cs2cap") == NOON
    week_later = next_request(settings, "cs2cap", NOON + 7 * DAY)
    assert week_later.start == NOON - LAG
    was_read(backfills, week_later.start, NOON + 7 * DAY)
    assert next_request(settings, "cs2cap", NOON + 8 * DAY).start == NOON + 7 * DAY - LAG


def test_a_read_that_did_not_come_through_moves_nothing(settings: Settings, backfills: BackfillStore) -> None:
    was_read(backfills, NOON - LAG, NOON)
    was_read(backfills, NOON - DAY, NOON + DAY, done=False)
    assert next_request(settings, "cs2cap", NOON + 2 * DAY).start == NOON - LAG


def test_a_read_that_leaves_a_time_out_moves_nothing(backfills: BackfillStore) -> None:
    was_read(backfills, NOON - LAG, NOON)
    was_read(backfills, NOON + 5 * DAY, NOON + 6 * DAY)
    assert watermark(backfills, "cs2cap") == NOON
    was_read(backfills, NOON - DAY, NOON + 7 * DAY)
    assert watermark(backfills, "cs2cap") == NOON + 7 * DAY


def test_a_read_of_a_past_window_tells_up_to_its_end(backfills: BackfillStore) -> None:
    was_read(backfills, NOON - 5 * DAY, NOON, end=NOON - 3 * DAY)
    assert watermark(backfills, "cs2cap") == NOON - 3 * DAY


@pytest.mark.parametrize(
    "told",
    [
        {"series": "points"},
        {"source": "other"},
        {"currency": "EUR"},
        {"providers": ["csfloat"]},
        {"items": [1]},
    ],
    ids=str,
)
def test_only_a_read_of_all_sales_counts(backfills: BackfillStore, told: dict[str, Any]) -> None:
    was_read(backfills, NOON - 4 * DAY, NOON, **told)
    assert watermark(backfills, "cs2cap") is None


def test_sales_are_read_on_schedule_where_the_configuration_says_so(settings: Settings) -> None:
    made = {
        one["entrypoint"]: one for one in yaml.safe_load(render_prefect_yaml(settings, None))["deployments"]
    }
    sales = made["flows/backfill.py:sales"]
    assert (sales["name"], sales["parameters"]) == ("cs2cap", {"source": "cs2cap", "config": None})
    (schedule,) = sales["schedules"]
    assert schedule["interval"] == 86400
    assert sales["concurrency_limit"]["collision_strategy"] == "CANCEL_NEW"
    without = parse_settings({"sources": {"cs2cap": {}}, "baskets": [basket()]}, Path("/srv/market"))
    assert ":sales" not in render_prefect_yaml(without, None)


def test_an_interval_that_cannot_be_is_told_in_one_line() -> None:
    fields = {"sources": {"cs2cap": {"sales": "0s"}}, "baskets": [basket()]}
    with pytest.raises(ConfigError, match="source cs2cap: sales: its schedule does not work"):
        render_prefect_yaml(parse_settings(fields, Path("/srv/market")), None)

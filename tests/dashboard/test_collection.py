"""The page of the collection: what `state.db` and the views say, also between two publishes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from connectors.ratelimit.ledger import MonthReport, RequestLedger
from dashboard.app import Dashboard
from dashboard.charts.cells import draw_cells
from dashboard.generations import GenerationFollower
from dashboard.prepared import PreparedMarket
from floorline.market import Market
from pipelines.alerts.rows import join_rows
from tests.support.clocks import NOON
from tests.support.dashboard_pages import Reader, fetch
from tests.support.reference.market import EVERY, publish_example
from tests.support.warehouse import Quote, create_warehouse, land, load, minute, observe
from warehouse.paths import WarehousePaths
from warehouse.state.alerts import Alert, AlertStore
from warehouse.state.database import open_state

SVG = "{http://www.w3.org/2000/svg}"
END = NOON + 12 * EVERY


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    return publish_example(tmp_path_factory.mktemp("collection"))


@pytest.fixture
def dashboard(paths: WarehousePaths) -> Iterator[Dashboard]:
    with GenerationFollower(paths.published_database, partial(PreparedMarket, paths)) as follower:
        yield Dashboard(follower, ["market.test"])


def table(dashboard: Dashboard, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(fetch(dashboard, f"/collection.json?table={name}").text)
    return rows


def test_baskets_and_freshness_are_those_of_the_views(dashboard: Dashboard, paths: WarehousePaths) -> None:
    assert {row["basket"] for row in table(dashboard, "baskets")} == {"all", "euros", "market"}
    assert all(row["state"] == "done" for row in table(dashboard, "baskets"))
    fresh = {row["provider"]: row for row in table(dashboard, "freshness")}
    with Market(paths.root) as market:
        for row in market.sql("FROM coverage WHERE delivery = 'standard'").to_dicts():
            assert fresh[row["provider"]][row["currency"]] == row["fresh"] / row["listed"]
    assert fresh["buff163"]["EUR"] is None


def test_runs_of_a_backfill_are_one_row(dashboard: Dashboard, paths: WarehousePaths) -> None:
    runs = table(dashboard, "runs")
    with Market(paths.root) as market:
        snapshots = market.sql("SELECT run_id FROM runs WHERE flow = 'snapshot'")["run_id"].to_list()
        (fetched,) = market.sql("SELECT sum(rows_fetched)::BIGINT AS n FROM runs WHERE flow = 'backfill'")[
            "n"
        ]
    assert {row["run_id"] for row in runs if row["basket"] != "b1"} == set(snapshots)
    (backfill,) = (row for row in runs if row["basket"] == "b1")
    assert (backfill["runs"], backfill["rows_fetched"]) == (4, fetched)
    links = Reader(fetch(dashboard, "/collection").text).addresses
    assert f"/collection/runs/{backfill['run_id']}" in links


def test_gaps_are_the_times_without_a_run(dashboard: Dashboard) -> None:
    gaps = [row for row in table(dashboard, "gaps") if row["basket"] == "market"]
    assert [(row["start"], row["end"]) for row in gaps] == [
        ((NOON + 4 * EVERY).isoformat(), (NOON + 7 * EVERY).isoformat())
    ]
    assert (gaps[0]["cause"], gaps[0]["fillable"]) == ("absent", "maybe")
    (euros,) = (row for row in table(dashboard, "gaps") if row["basket"] == "euros")
    assert euros["fillable"] == "no: the history of the API is in USD"


def test_alerts_and_watches_are_live(dashboard: Dashboard, paths: WarehousePaths) -> None:
    first = fetch(dashboard, "/collection")
    store = AlertStore(open_state(paths))
    found = join_rows("2 rows", [{"item": "AK-47", "price": "4"}, {"item": "AWP", "price": None}])
    store.raise_alert(Alert("watch.warning", "", "cheap", found), END)
    store.raise_alert(Alert("watch.broken", "", "wrong", "no such column"), END)
    store.raise_alert(Alert("watch.failure", "", "over", join_rows("1 row", [{"a": "1"}])), END)
    store.resolve("watch.failure", "", "over", now=END)
    alerts = table(dashboard, "alerts")
    assert [row["state"] for row in alerts] == ["open", "open", "open", "closed"]
    assert alerts[1]["guidance"] == "Run “floorline watches check cheap”."
    assert alerts[3]["guidance"] == ""
    assert [(row["watch"], row["state"], row["rows"]) for row in table(dashboard, "watches")] == [
        ("cheap", "rows", 2), ("over", "quiet", 1), ("wrong", "broken", 0),
    ]  # fmt: skip
    second = fetch(dashboard, "/collection", if_none_match=first.headers["etag"])
    assert second.status_code == 200
    assert "2 rows" in Reader(second.text).texts
    assert fetch(dashboard, "/collection", if_none_match=second.headers["etag"]).status_code == 304


def test_month_of_a_source_is_drawn_to_its_end(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    for number, left in enumerate((900, 840, 700)):
        facts = {"quota_remaining": left, "requests": 60, "finished_at": minute(number * 60 + 1)}
        land(paths, f"run-{number}", observe(minute(number * 60), Quote()), facts=facts)
    load(paths)
    with GenerationFollower(paths.published_database, partial(PreparedMarket, paths)) as follower:
        dashboard = Dashboard(follower, ["market.test"])
        assert table(dashboard, "quota") == []
        assert "No source has reported its quota." in Reader(fetch(dashboard, "/collection").text).texts
        reset = datetime(2026, 6, 11, tzinfo=UTC)
        ledger = RequestLedger(open_state(paths), "f00d", "cs2cap")
        report = MonthReport(300, 1_000, since=0.0, resets_at=reset)
        ledger.sync_month(report, now=0.0, at=NOON + timedelta(hours=3))
        ledger.close()
        (month,) = table(dashboard, "quota")
        assert (month["used"], month["limit"], month["left"]) == (300, 1_000, 700)
        # 300 requests since 11 May, in 21.6 days: the last of 700 is long after 11 June.
        assert (month["a_day"], month["ends_at"], month["resets_at"]) == (14, None, reset.isoformat())
        used = table(dashboard, "quota-cs2cap-data")
        assert [(row["used"], row["quota_remaining"]) for row in used] == [(100, 900), (160, 840), (300, 700)]
        drawn = ET.fromstring(fetch(dashboard, "/collection.svg?chart=quota-cs2cap").text)
        assert drawn.findtext(f"{SVG}desc") == "300 requests of 1,000 used; 430 at the end of the month."
        assert "1,000 a month" in {node.text for node in drawn.iter(f"{SVG}text")}


def test_cells_tell_how_the_runs_ended() -> None:
    root = ET.fromstring(draw_cells(["done", "auth_failed", "done"], most=40))
    assert root.get("aria-label") == "2 done, 1 auth_failed"
    assert [node.get("class") for node in root] == ["done", "not-done", "done"]
    assert [float(node.get("x", "0")) for node in root] == [370, 380, 390]
    assert [node[0].text for node in root] == ["done", "auth_failed", "done"]
    assert ET.fromstring(draw_cells([], most=40)).get("aria-label") == "no runs"

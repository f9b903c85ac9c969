"""Something answers in the API's place in the middle of a run: the source stops, and what came is kept.

New: each remaining shard used to send its own request.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.http.source_guard import MAX_INTERCEPTED
from sandbox.core import Sandbox
from sandbox.market.providers import KEYS
from sandbox.options import Options
from sandbox.server import serve
from tests.support.backfills import loaded_points, points_request, run_backfill
from tests.support.http_servers import http_response
from tests.support.interposer import Interposer, interposer
from tests.support.snapshots import Bench, basket, catalog_of

pytestmark = pytest.mark.usefixtures("no_prefect")
PAGE = http_response(b"<html>Just a moment...</html>", "403 Forbidden", content_type="text/html")
PRICES, HISTORY = "/v1/prices", "/v1/prices/history"
ITEMS = list(range(1, 41))
# Those that were on their way when the third was answered.
CONCURRENCY = 4


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with serve(Options(items=50, refresh=0, limits=False, tier="pro")) as sandbox:
        yield sandbox


@pytest.fixture
def front(box: Sandbox) -> Iterator[Interposer]:
    with interposer(int(box.url.rpartition(":")[2])) as between:
        yield between


def bench_at(folder: Path, front: Interposer, box: Sandbox) -> Bench:
    source = {"tier": "pro", "concurrency": CONCURRENCY}
    catalogs = catalog_of(*KEYS[:30])  # a shard each
    baskets = [catalogs, basket("second", items=ITEMS), basket("good", source="good")]
    return Bench.create(folder, {"cs2cap": front.url, "good": box.url}, *baskets, source=source)


@pytest.mark.slow
def test_snapshot_stops_after_the_first_few(tmp_path: Path, front: Interposer, box: Sandbox) -> None:
    bench = bench_at(tmp_path, front, box)
    front.answer(PRICES, PAGE, after=10)
    first, second, good = bench.snapshot()
    assert (first.state, first.exit_code) == ("incomplete", 3)
    assert "something answers in the API's place" in str(first.incomplete_reason)
    assert (second.state, second.exit_code, second.pages) == ("incomplete", 3, 0)
    assert MAX_INTERCEPTED <= len(front.answered) <= MAX_INTERCEPTED + 2 * CONCURRENCY
    assert (good.state, good.exit_code) == ("done", 0)
    assert 0 < first.pages <= 10
    assert bench.quotes() != []
    assert not [alert for alert in bench.alerts() if alert.cause == "auth.failed"]
    front.stop_answering()
    assert [result.state for result in bench.snapshot()] == ["done"] * 3


@pytest.mark.slow
def test_answers_of_the_api_between_do_not_stop_the_source(
    tmp_path: Path, front: Interposer, box: Sandbox
) -> None:
    """A guard: two of thirty shards are lost, and the source goes on."""
    bench = bench_at(tmp_path, front, box)
    for after in (5, 15):
        front.answer(PRICES, PAGE, 1, after=after)
    first, second, _ = bench.snapshot()
    assert len(front.answered) == 2
    assert (first.state, first.error, first.pages) == ("incomplete", None, 28)
    assert (second.state, second.pages) == ("done", len(ITEMS))


@pytest.mark.slow
def test_backfill_stops_after_the_first_few_and_continues(
    tmp_path: Path, front: Interposer, box: Sandbox
) -> None:
    bench, start = bench_at(tmp_path, front, box), datetime.now(UTC) - timedelta(days=1)
    request = points_request(*ITEMS, source="cs2cap", start=start, end=start + timedelta(hours=12))
    front.answer(HISTORY, PAGE, after=10)
    stopped = run_backfill(bench, box, request)
    assert (stopped.state, stopped.exit_code) == ("incomplete", 3)
    assert MAX_INTERCEPTED <= len(front.answered) <= MAX_INTERCEPTED + 2 * CONCURRENCY
    assert stopped.shards_left > 20
    assert loaded_points(bench) != []
    front.stop_answering()
    done = run_backfill(bench, box, request)
    assert (done.state, done.shards_done, done.shards_broken) == ("done", len(ITEMS), 0)

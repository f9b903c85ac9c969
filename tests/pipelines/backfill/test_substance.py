"""A backfill of which no row can be used is not done, and says why."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from common.sqlite import state_transaction
from sandbox.core import Sandbox
from tests.support.backfills import bench_at, loaded_points, plan_backfill, points_request, run_backfill
from tests.support.relay import Edit, relay_to
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, main_with
from warehouse.state.backfills import BackfillStore
from warehouse.state.recovery import recover_progress

HISTORY = "/v1/prices/history"


@pytest.fixture
def box(make_sandbox: MakeSandbox) -> Sandbox:
    return make_sandbox(tier="pro")


def spoil(rows: slice) -> Edit:
    """Return an edit that spoils some rows of a page."""

    def edit(body: bytes) -> bytes:
        page = json.loads(body)
        for row in page["items"][rows]:
            row["price"] = "much"
        return json.dumps(page).encode()

    return edit


@pytest.mark.parametrize(
    ("rows", "state", "code"), [(slice(None), "unusable", 7), (slice(1, None), "done", 0)]
)
def test_backfill_without_one_usable_row_is_unusable(
    tmp_path: Path, box: Sandbox, rows: slice, state: str, code: int
) -> None:
    """The second case is a guard: one row of each page can be used."""
    with relay_to(box.url) as relay:
        bench = bench_at(tmp_path, box, base_url=relay.url)
        relay.edits[HISTORY] = spoil(rows)
        result = run_backfill(bench, box, points_request(1, 2))
    assert (result.state, result.exit_code, result.rows_rejected > 0) == (state, code, True)
    assert len(loaded_points(bench)) == result.rows
    if state == "unusable":
        assert "rejects list" in result.hint
        assert [alert.cause for alert in bench.alerts()] == ["contract.changed"]
        assert check_reason(bench)


@pytest.mark.slow
def test_shards_without_one_usable_row_are_asked_for_again(tmp_path: Path, box: Sandbox) -> None:
    """New: the second run used to find the backfill done, and sent no request for what it had rejected."""
    with relay_to(box.url) as relay:
        bench, request = bench_at(tmp_path, box, base_url=relay.url), points_request(1, 2)
        relay.edits[HISTORY] = spoil_item(1)
        first = run_backfill(bench, box, request)
        assert (first.state, first.exit_code, first.shards_broken) == ("incomplete", 3, 1)
        assert "every row was rejected: Expected `int`, got `str`" in first.broken[0]
        assert {item for _, item, *_ in loaded_points(bench)} == {"2"}
        assert plan_backfill(bench, box, request).at_least == 1
        relay.edits[HISTORY] = spoil_item(1)
        assert run_backfill(bench, box, request).state == "unusable"
        replayed = main_with("rejects", "replay", "--config", str(bench.config))
        assert re.search(r"floorline: \d+ rejected rows of backfills cannot be replayed; ", replayed.err)
        relay.edits.clear()
        before = relay.count(HISTORY)
        last = run_backfill(bench, box, request)
        assert (last.state, last.shards_broken, last.shards_done) == ("done", 0, 2)
        assert relay.count(HISTORY) - before == 1
        again = run_backfill(bench, box, request)  # a guard
        assert (again.state, relay.count(HISTORY) - before) == ("done", 1)
    assert {item for _, item, *_ in loaded_points(bench)} == {"1", "2"}


def spoil_item(item_id: int) -> Edit:
    """Return an edit that spoils every row of one item."""

    def edit(body: bytes) -> bytes:
        page = json.loads(body)
        is_spoiled = page["items"] and page["items"][0]["item_id"] == item_id
        return spoil(slice(None))(body) if is_spoiled else body

    return edit


@pytest.mark.parametrize("usable", [False, True])  # a shard with one usable row is a guard
def test_checkpoint_that_lags_is_recovered_with_the_same_end(
    tmp_path: Path, box: Sandbox, usable: bool
) -> None:
    with relay_to(box.url) as relay:
        bench, request = bench_at(tmp_path, box, base_url=relay.url), points_request(1)
        relay.edits[HISTORY] = spoil(slice(1, None) if usable else slice(None))
        run_backfill(bench, box, request)
    store = BackfillStore(bench.paths)
    record = store.find_latest()
    assert record is not None
    with state_transaction(bench.paths.state) as db:
        db.execute("UPDATE backfill_shard SET state = 'waiting', page = 0, rows = 0")
    recover_progress(bench.paths, store, record.backfill_id)
    assert [shard.state for shard in store.list_shards(record.backfill_id)] == [
        "done" if usable else "broken"
    ]


def check_reason(bench: Bench) -> bool:
    """Return whether the run says why none of its rows can be used."""
    ((reason,),) = bench.query("SELECT incomplete_reason FROM runs WHERE state = 'unusable'")
    return "every row was rejected: Expected `int`, got `str`" in reason

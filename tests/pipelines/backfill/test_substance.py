"""A backfill of which no row can be used is not done, and says why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox.core import Sandbox
from tests.support.backfills import bench_at, loaded_points, points_request, run_backfill
from tests.support.relay import Edit, relay_to
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench

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


def check_reason(bench: Bench) -> bool:
    """Return whether the run says why none of its rows can be used."""
    ((reason,),) = bench.query("SELECT incomplete_reason FROM runs WHERE state = 'unusable'")
    return "every row was rejected: Expected `int`, got `str`" in reason

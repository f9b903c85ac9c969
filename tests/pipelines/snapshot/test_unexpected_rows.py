"""Unexpected rows: invalid rows are rejected, new fields counted, and outliers reported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from floorline.cli.render.runs import result_notes
from sandbox.core import Sandbox
from tests.support.snapshots import Bench, basket, catalog_of, ledger, price_requests

pytestmark = pytest.mark.slow
BROKEN: list[dict[str, Any]] = [
    {"field": "lowest_ask"},
    {"field": "lowest_ask", "value": "12.50"},
    {"field": "lowest_ask", "value": -1},
    {"field": "lowest_ask_decimal", "value": "1,000"},
    {"field": "quantity", "value": None},
    {"field": "timestamp", "value": "yesterday"},
    {"field": "provider"},
    {"field": "item_id", "value": {"$ne": 1}},
]


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox) -> Bench:
    return Bench.at(tmp_path, sandbox, catalog_of("steam"))


@pytest.mark.parametrize("broken", BROKEN, ids=lambda how: f"{how['field']} {how.get('value', 'missing')}")
def test_invalid_row_is_rejected_and_closes_no_quote(
    bench: Bench, sandbox: Sandbox, broken: dict[str, Any]
) -> None:
    bench.snapshot()
    before = bench.quotes()
    sandbox.advance(600)
    sandbox.fault("broken_row", row=5, **broken)
    (result,) = bench.snapshot()
    assert result.state == "done"
    assert result.load is not None
    assert (result.load.rows_rejected, result.load.rows_fetched) == (1, len(before) - 1)
    assert (result.load.rows_closed, bench.quotes()) == (0, before)
    ((reason, raw, basket_name),) = bench.query("SELECT reason, raw, basket FROM rejects")
    assert reason
    assert json.loads(raw).get(broken["field"]) == broken.get("value")
    assert basket_name == "core"


@pytest.mark.parametrize("total", [0, 1], ids=["distinct total", "total of all rows"])
@pytest.mark.parametrize("items", [["all"], [1]], ids=["catalog", "item"])
def test_row_that_a_page_repeats_is_loaded_once_and_costs_nothing(
    tmp_path: Path, sandbox: Sandbox, items: list[Any], total: int
) -> None:
    bench = Bench.at(tmp_path / "x", sandbox, basket(items=items))
    bench.snapshot()
    expected, sent = bench.quotes(), len(price_requests(sandbox))
    sandbox.fault("repeated_row", times=None)
    sandbox.fault("wrong_total", by=total, times=None)
    sandbox.advance(600)
    (result,) = bench.snapshot()
    assert (result.state, result.incomplete_reason) == ("done", None)
    assert len(price_requests(sandbox)) == 2 * sent
    assert bench.quotes() == expected == ledger(sandbox, ["steam"], None if items == ["all"] else [1])


def test_new_field_is_counted_and_reported(bench: Bench, sandbox: Sandbox) -> None:
    sandbox.fault("new_field", name="float_value", times=None)
    (result,) = bench.snapshot()
    rows = len(ledger(sandbox, ["steam"]))
    assert (result.state, result.unknown_fields) == ("done", {"float_value": rows})
    assert result_notes(result) == [f"the API sends a new field, float_value (in {rows} rows)"]
    assert bench.quotes() == ledger(sandbox, ["steam"])
    assert bench.query("SELECT unknown_fields FROM runs") == [(json.dumps({"float_value": rows}),)]


@pytest.mark.parametrize("factor", [10.0, 0.05])
def test_price_that_is_ten_times_off_is_stored_and_reported(
    tmp_path: Path, sandbox: Sandbox, factor: float
) -> None:
    bench = Bench.at(tmp_path, sandbox, basket(items=[6, 7, 11, 15], providers=["buff163", "steam"]))
    bench.snapshot()
    (moved,) = sandbox.move(1, item_ids=[6, 7, 11, 15], provider="steam", factor=factor)
    sandbox.move(1, item_ids=[6, 7, 11, 15], provider="buff163", factor=1.5)
    sandbox.advance(600)
    (result,) = bench.snapshot()
    assert result.load is not None
    (outlier,) = result.load.outliers
    assert (outlier.provider, int(outlier.was * 100)) == ("steam", moved.before)
    assert int(outlier.price * 100) == moved.after
    assert bench.quotes() == ledger(sandbox, ["buff163", "steam"], [6, 7, 11, 15])
    assert result_notes(result)[0].startswith("ten times off: ")


def test_text_of_an_api_has_no_control_characters_in_the_terminal(bench: Bench, sandbox: Sandbox) -> None:
    sandbox.fault("new_field", name="\x1b[2J\x07evil", times=None)
    (result,) = bench.snapshot()
    assert all(remark.isprintable() for remark in result_notes(result))

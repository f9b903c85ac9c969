"""A load stores the holdings; a file that cannot be read keeps those of the load before, with an alert."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from sandbox.core import Sandbox
from tests.support.snapshots import ASIIMOV, REDLINE, Bench, basket, main_with

pytestmark = pytest.mark.usefixtures("no_prefect")


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox) -> Bench:
    warehouse = {"holdings": "holdings.csv"}
    return Bench.at(tmp_path, sandbox, basket(bids=True, route="batch"), warehouse=warehouse)


def write(bench: Bench, *lines: str) -> None:
    (bench.folder / "holdings.csv").write_text("\n".join(("item,quantity,price", *lines)), "utf-8")


def test_holdings_follow_the_file(bench: Bench) -> None:
    write(bench, f"{REDLINE},2,1.50")
    bench.snapshot()
    ((item, cost, ask, value, status),) = bench.query("SELECT item, cost, ask, value, status FROM portfolio")
    ((best,),) = bench.query("SELECT price FROM best_ask WHERE item = ?", REDLINE)
    assert (item, cost, ask, value, status) == (REDLINE, Decimal(3), best, 2 * best, "valued")
    write(bench, f"{ASIIMOV},many,1", f"{REDLINE},9,1")
    bench.snapshot()
    assert bench.query("SELECT item, quantity FROM portfolio") == [(REDLINE, 2)]
    (alert,) = bench.alerts()
    assert (alert.cause, alert.source, alert.subject) == ("holdings.unreadable", "", "")
    assert "line 2 of the holdings" in alert.message
    checked = main_with("config", "check", "--config", str(bench.config))
    assert (checked.code, "has 'many' as its quantity" in checked.err) == (2, True)
    write(bench, f"{ASIIMOV},1,")
    bench.snapshot()
    assert bench.query("SELECT item, quantity FROM portfolio") == [(ASIIMOV, 1)]
    assert bench.alerts() == []


def test_holdings_go_with_the_key(bench: Bench) -> None:
    write(bench, f"{REDLINE},2,1.50")
    bench.snapshot()
    text = bench.config.read_text("utf-8")
    bench.config.write_text(text.replace('holdings = "holdings.csv"', ""), "utf-8")
    bench.snapshot()
    assert bench.query("SELECT count(*) FROM portfolio") == [(0,)]


def test_watch_asks_the_portfolio(bench: Bench) -> None:
    write(bench, f"{REDLINE},2,0.01")
    watch = """
[watches.up]
query = "SELECT item, profit FROM portfolio WHERE profit > 0"
"""
    bench.config.write_text(bench.config.read_text("utf-8") + watch, "utf-8")
    assert main_with("snapshot", "--no-prefect", "--config", str(bench.config)).code == 0
    assert [alert.cause for alert in bench.alerts()] == ["watch.warning"]


def test_missing_file_is_named(bench: Bench) -> None:
    bench.snapshot()
    (alert,) = bench.alerts()
    assert "holdings.csv cannot be read: No such file or directory" in alert.message

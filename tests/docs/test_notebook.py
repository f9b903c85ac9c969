"""The notebook in examples/ runs on a market, in marimo's own way and as a script."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import floorline
from tests.support.snapshots import REDLINE
from tests.support.warehouse import Quote, create_warehouse, land_and_load, minute, observe
from warehouse.paths import WarehousePaths

NOTEBOOK = Path(__file__).parents[2] / "examples" / "market.py"


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    paths = create_warehouse(tmp_path_factory.mktemp("market") / "data")
    quotes = [
        Quote("1", 1120, 3, "buff163", name=REDLINE),
        Quote("1", 1300, 8, "steam", name=REDLINE),
        Quote("2", 90_000, 1, "steam", name="★ Karambit | Doppler (Factory New)", phase="Ruby"),
    ]
    land_and_load(paths, "r1", observe(minute(0), *quotes, providers=("buff163", "steam")))
    return paths


def run_notebook(paths: WarehousePaths, monkeypatch: pytest.MonkeyPatch, words: str) -> dict[str, Any]:
    """Run the cells, as after a search for these words; return what the cells define."""
    monkeypatch.setattr(sys, "argv", [str(NOTEBOOK), "--data", str(paths.root)])
    app = runpy.run_path(str(NOTEBOOK))["app"]
    return dict(app.run(defs={"words": SimpleNamespace(value=words)})[1])


@pytest.mark.slow
def test_cells_show_what_the_market_has(paths: WarehousePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    names = run_notebook(paths, monkeypatch, "ak redline ft")
    with floorline.open(paths.root) as market:
        assert names["chosen"].value == REDLINE
        assert names["days"].equals(market.ohlc(REDLINE))
        assert names["movers"].equals(market.movers("24h"))
        assert names["spreads"].equals(market.spreads(min_margin=0.02))
    assert len(names["days"]) == 1
    names["market"].close()


def test_words_of_no_item_stop_the_cells_that_need_one(
    paths: WarehousePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = run_notebook(paths, monkeypatch, "zzzzqq")
    assert "chosen" not in names
    assert "movers" in names
    names["market"].close()


@pytest.mark.slow
def test_notebook_is_a_script_and_passes_the_check_of_marimo(paths: WarehousePaths) -> None:
    script = [sys.executable, str(NOTEBOOK), "--", "--data", str(paths.root)]
    check = [sys.executable, "-m", "marimo", "check", "--strict", str(NOTEBOOK)]
    for command in (script, check):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

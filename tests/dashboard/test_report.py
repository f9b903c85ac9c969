"""`floorline report`: one file without scripts and links to elsewhere, with the numbers of the views."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dashboard.formatting import format_price, format_rounded
from dashboard.report import render_report
from floorline.market import Market
from tests.support.reference.market import REDLINE, publish_example
from tests.support.snapshots import CommandOutput, main_with
from warehouse.paths import WarehousePaths


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    paths = publish_example(tmp_path_factory.mktemp("report"))
    (paths.root / "floorline.toml").write_text(f'[warehouse]\npath = "{paths.root}"\n')
    return paths


def report(paths: WarehousePaths, *arguments: str) -> CommandOutput:
    return main_with("report", *arguments, "--config", str(paths.root / "floorline.toml"))


def test_report_is_one_file_without_scripts(paths: WarehousePaths, tmp_path: Path) -> None:
    target = tmp_path / "market.html"
    output = report(paths, str(target), "--items", REDLINE, "--json")
    assert json.loads(output.out)["result"] == {"files": [str(target)]}
    html = target.read_text("utf-8")
    assert len(html) < 300_000
    assert "<script" not in html
    assert not re.findall(r'(?:href|src|action)="', html)
    assert not re.findall(r'\sstyle="|\son\w+="', html)
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'aria-labelledby="([^"]+)"', html)) <= set(ids)


def test_report_has_the_numbers_of_the_views(paths: WarehousePaths) -> None:
    html = render_report(paths, items=(REDLINE,), window="7d")
    with Market(paths.root) as market:
        for price in market.quotes(REDLINE)["price"]:
            assert f">{format_price(price)}<" in html
        for spread in market.spreads(min_margin=0).to_dicts():
            assert f">{format_rounded(spread['profit'])}<" in html


@pytest.mark.slow
def test_existing_file_is_replaced_and_a_device_is_not(paths: WarehousePaths, tmp_path: Path) -> None:
    target = tmp_path / "market.html"
    target.write_text("old")
    assert report(paths, str(target)).code == 0
    assert "Floorline report" in target.read_text("utf-8")
    for path in ("/dev/null", str(tmp_path / "missing" / "market.html"), str(tmp_path)):
        output = report(paths, path)
        assert (output.code, output.err.count("\n")) == (2, 1)
        assert "the report cannot be written to" in output.err


def test_unknown_item_is_one_line(paths: WarehousePaths, tmp_path: Path) -> None:
    output = report(paths, str(tmp_path / "market.html"), "--items", "AWP")
    assert (output.code, output.err) == (2, "floorline: no item is called 'AWP'\n")
    assert not (tmp_path / "market.html").exists()

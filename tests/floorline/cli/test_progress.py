"""The progress bars of a snapshot: pages and rows."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from common.shards import Item
from connectors.pagination import PageInfo
from connectors.shards import Shard
from floorline.cli.render.progress import ProgressBars, progress_bars
from pipelines.snapshot.page_writers import LandedPage
from sandbox.core import Sandbox
from tests.support.clocks import NOON
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, catalog_of
from warehouse.landing.model import PageMeta

CATALOG = Shard(0, "cs2cap", "USD", providers=("steam",), items=None)
THREE_ITEMS = tuple(Item(str(number), f"Item {number}", None) for number in range(3))
ITEMS = Shard(1, "cs2cap", "USD", providers=("steam",), items=THREE_ITEMS)


def page(rows: int, total: int, offset: int = 0) -> LandedPage:
    meta = PageMeta(0, offset, total, observed_at=NOON, landed_at=NOON, fingerprint="")
    info = PageInfo(offset, limit=100, total=total)
    return LandedPage(meta, info, rows, providers=frozenset(), unknown_fields={})


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=120, height=10)


def printed(console: Console) -> str:
    """Return what the console has printed so far."""
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_first_page_of_a_catalog_sets_the_total(console: Console) -> None:
    with progress_bars(console) as progress:
        progress.planned("core", (CATALOG,))
        progress.landed("core", CATALOG, page(100, 1234))
        progress.landed("core", CATALOG, page(100, 1234, 100))
        progress._progress.refresh()
    text = printed(console)
    assert "core" in text
    assert "2/13" in text
    assert "pages" in text
    assert "200 rows" in text


def test_items_need_a_page_each_and_the_end_fills_the_bar(console: Console) -> None:
    with progress_bars(console) as progress:
        progress.planned("core", (ITEMS,))
        progress.landed("core", ITEMS, page(6, 6))
        progress._progress.refresh()
        progress.finished("core")
        progress._progress.refresh()
    text = printed(console)
    assert "1/3" in text
    assert "6 rows" in text
    assert "1/1" in text


def test_run_updates_the_bars(tmp_path: Path, make_sandbox: MakeSandbox, console: Console) -> None:
    box: Sandbox = make_sandbox(tier="free")
    bench = Bench.at(tmp_path, box, catalog_of("steam", "buff163"))
    with progress_bars(console) as progress:
        assert isinstance(progress, ProgressBars)
        (result,) = bench.snapshot(progress=progress)
        progress._progress.refresh()
    assert result.load is not None
    assert f"{result.load.rows_fetched:,} rows" in printed(console)
    assert f"{result.pages}/{result.pages}" in printed(console)

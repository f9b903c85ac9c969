"""Catalogs are cached for a day, and fetched again if they are unreadable or may be outdated."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from common.errors import ConfigError
from sandbox.core import Sandbox
from tests.support.clocks import VirtualClock
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, basket

ROUTES = ("/v1/items", "/v1/providers", "/v1/fx")


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox) -> Bench:
    return Bench.at(tmp_path, sandbox, basket(currencies=["USD", "EUR"]))


def catalog_requests(box: Sandbox) -> list[int]:
    return [len(box.requests.of_path(route)) for route in ROUTES]


def advance(clock: VirtualClock, span: timedelta) -> None:
    clock.time += span.total_seconds()


@pytest.mark.slow
def test_catalogs_are_fetched_once_a_day(bench: Bench, sandbox: Sandbox) -> None:
    clock = VirtualClock()
    bench.snapshot(clock=clock)
    advance(clock, timedelta(hours=23))
    bench.snapshot(clock=clock)
    assert catalog_requests(sandbox) == [1, 1, 1]
    advance(clock, timedelta(hours=2))
    bench.snapshot(clock=clock)
    assert catalog_requests(sandbox) == [2, 2, 2]


def test_basket_in_dollars_needs_no_exchange_rates(tmp_path: Path, sandbox: Sandbox) -> None:
    Bench.at(tmp_path, sandbox, basket(currencies=["usd"])).snapshot()
    assert catalog_requests(sandbox) == [1, 1, 0]


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"", b"not an arrow file"])
def test_unreadable_catalog_is_fetched_again(bench: Bench, sandbox: Sandbox, content: bytes) -> None:
    bench.snapshot()
    for path in bench.paths.catalog.glob("cs2cap/*.arrow"):
        path.write_bytes(content)
    assert [result.state for result in bench.snapshot()] == ["done"]
    assert catalog_requests(sandbox) == [2, 2, 2]


@pytest.mark.slow
def test_unknown_item_refreshes_a_catalog_that_is_older_than_ten_minutes(
    tmp_path: Path, make_sandbox: MakeSandbox
) -> None:
    clock, small, large = VirtualClock(), make_sandbox(items=30), make_sandbox(items=300)
    Bench.at(tmp_path, small, basket(items=[1])).snapshot(clock=clock)
    bench = Bench.at(tmp_path, large, basket(items=[1, 300]))
    with pytest.raises(ConfigError, match="no item has the id 300"):
        bench.snapshot(clock=clock)
    assert catalog_requests(large)[0] == 0
    advance(clock, timedelta(minutes=11))
    assert bench.snapshot(clock=clock)[0].state == "done"
    assert catalog_requests(large)[0] == 1


def test_each_source_has_its_own_catalog(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    pair = {"cs2cap": make_sandbox(items=300), "second": make_sandbox(items=30)}
    bench = Bench.at(tmp_path, pair, basket(items=[300]), basket("other", source="second", items=[300]))
    with pytest.raises(ConfigError, match="basket other: no item has the id 300"):
        bench.snapshot()

"""Several baskets and sources in one snapshot: they fail independently, and results keep their order."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.exit_codes import worst_exit_code
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.clocks import VirtualClock
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, basket, ledger, price_requests

UNREACHABLE = "http://127.0.0.1:9"


@pytest.fixture
def pair(make_sandbox: MakeSandbox) -> dict[str, Sandbox]:
    return {"cs2cap": make_sandbox(), "second": make_sandbox(seed=2)}


@pytest.mark.slow
def test_results_are_in_the_order_of_the_configuration(tmp_path: Path, pair: dict[str, Sandbox]) -> None:
    second = {"source": "second"}
    baskets = [basket("c", **second), basket("a"), basket("b", **second), basket("d", items=[5])]
    bench = Bench.at(tmp_path, pair, *baskets)
    results = bench.snapshot()
    assert [(r.basket, r.source, r.state) for r in results] == [
        ("c", "second", "done"),
        ("a", "cs2cap", "done"),
        ("b", "second", "done"),
        ("d", "cs2cap", "done"),
    ]
    assert worst_exit_code(result.exit_code for result in results) == 0
    assert [r.basket for r in bench.snapshot("d", "a", "d")] == ["d", "a"]


@pytest.mark.slow
def test_same_item_of_two_sources_is_two_items(tmp_path: Path, pair: dict[str, Sandbox]) -> None:
    bench = Bench.at(tmp_path, pair, basket(items=[3, 8]), basket("other", source="second", items=[3, 8]))
    bench.snapshot()
    for name, box in pair.items():
        assert bench.quotes(source=name) == ledger(box, ["steam"], [3, 8])
    pair["second"].vanish(1, provider="steam", item_ids=[3, 8])
    for box in pair.values():
        box.advance(600)
    bench.snapshot()
    for name, box in pair.items():
        assert bench.quotes(source=name) == ledger(box, ["steam"], [3, 8])


def test_each_source_counts_its_own_requests(tmp_path: Path, pair: dict[str, Sandbox]) -> None:
    bench = Bench.at(tmp_path, pair, basket(items=[1, 2, 3]), basket("other", source="second", items=[4]))
    first, other = bench.snapshot()
    assert (len(price_requests(pair["cs2cap"])), len(price_requests(pair["second"]))) == (3, 1)
    assert (first.requests, other.requests) == (3 + 2, 1 + 2)  # and one each for the items and the providers


def test_exit_code_is_the_most_severe(tmp_path: Path, pair: dict[str, Sandbox]) -> None:
    bench = Bench.at(
        tmp_path, pair, basket("fine"), basket("broken", items=[5]), basket("rejected", source="second")
    )
    pair["cs2cap"].fault("redirect", match={"item_id": "5"}, times=None)
    pair["second"].key(VALID_KEY, "revoked")
    results = bench.snapshot()
    assert [r.state for r in results] == ["done", "incomplete", "auth_failed"]
    assert [r.exit_code for r in results] == [0, 3, 4]
    assert worst_exit_code(result.exit_code for result in results) == 4
    assert worst_exit_code(result.exit_code for result in results[:2]) == 3


def test_unreachable_source_does_not_affect_the_other(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = Bench.create(
        tmp_path, {"cs2cap": sandbox.url, "offline": UNREACHABLE}, basket("lost", source="offline"), basket()
    )
    lost, fine = bench.snapshot(clock=VirtualClock())
    assert (lost.state, lost.exit_code, fine.state) == ("failed", 1, "done")
    assert bench.quotes() == ledger(sandbox, ["steam"], [3, 8])
    assert [(a.cause, a.source, a.subject) for a in bench.alerts()] == [
        ("snapshot.incomplete", "offline", "lost")
    ]


def test_source_without_a_key_does_not_affect_the_other(tmp_path: Path, pair: dict[str, Sandbox]) -> None:
    bench = Bench.at(tmp_path, pair, basket("lost", source="second"), basket())
    (tmp_path / "second.key").unlink()
    lost, fine = bench.snapshot()
    assert (lost.state, lost.exit_code, fine.state) == ("auth_failed", 2, "done")
    assert "second.key" in str(lost.error)
    assert len(pair["second"].requests) == 0

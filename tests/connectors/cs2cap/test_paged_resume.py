"""The walk of a shard that an earlier, interrupted walk has landed pages of."""

from dataclasses import replace

import pytest

from common.shards import Item
from connectors.base import ExtractResult
from connectors.shards import Shard
from sandbox.core import Sandbox
from tests.support.cs2cap import PROVIDERS, STEAM, as_ledger, ledger, walk


def test_pages_of_an_interrupted_walk_are_not_fetched_again(sandbox: Sandbox) -> None:
    whole, _ = walk(sandbox.url, STEAM)
    before = len(sandbox.requests)
    have = [page for page in whole.pages if page.offset in {0, 40, 60}]
    landing, outcome = walk(sandbox.url, STEAM, have, limit=None)
    assert isinstance(outcome, ExtractResult)
    assert outcome.pages == len(sandbox.requests) - before == len(whole.pages) - 3
    assert sorted(landing.offsets) == sorted(whole.offsets)
    assert as_ledger(landing.rows) == ledger(sandbox, STEAM)


@pytest.mark.parametrize("kept", [[20, 40], [0, 13], []])
def test_pages_that_do_not_fit_together_are_fetched_anew(sandbox: Sandbox, kept: list[int]) -> None:
    whole, _ = walk(sandbox.url, STEAM)
    odd = [replace(whole.pages[0], offset=13)]
    have = [page for page in [*whole.pages, *odd] if page.offset in kept]
    landing, outcome = walk(sandbox.url, STEAM, have)
    assert isinstance(outcome, ExtractResult)
    assert outcome.pages == len(whole.pages)
    assert as_ledger(landing.rows) == ledger(sandbox, STEAM)


def test_pages_from_before_a_change_are_reconciled(sandbox: Sandbox) -> None:
    whole, _ = walk(sandbox.url, STEAM)
    sandbox.vanish(3, provider="steam", seed=1)
    landing, outcome = walk(sandbox.url, STEAM, whole.pages[:4])
    assert isinstance(outcome, ExtractResult)
    assert as_ledger(landing.rows) == ledger(sandbox, STEAM)


def test_items_that_were_landed_are_not_asked_for_again(sandbox: Sandbox) -> None:
    items = tuple(Item(str(number), f"item {number}", None) for number in range(1, 11))
    shard = Shard(0, "cs2cap", "USD", PROVIDERS, items)
    whole, _ = walk(sandbox.url, shard)
    before = len(sandbox.requests)
    landing, _ = walk(sandbox.url, shard, [page for page in whole.pages if page.request != 4])
    assert len(sandbox.requests) - before == 1
    assert as_ledger(landing.rows) == as_ledger(whole.rows)

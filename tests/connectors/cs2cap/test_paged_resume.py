"""A paged extraction resumes from the pages that an interrupted one has landed."""

import pytest
from msgspec.structs import replace

from common.shards import Item
from connectors.base import ExtractResult
from connectors.shards import Shard
from sandbox.core import Sandbox
from tests.support.cs2cap import PROVIDERS, STEAM, comparable_rows, expected_rows, extract


def test_landed_pages_are_not_fetched_again(sandbox: Sandbox) -> None:
    first, _ = extract(sandbox.url, STEAM)
    before = len(sandbox.requests)
    landed = [page for page in first.pages if page.offset in {0, 40, 60}]
    collector, result = extract(sandbox.url, STEAM, landed, limit=None)
    assert isinstance(result, ExtractResult)
    assert result.pages == len(sandbox.requests) - before == len(first.pages) - 3
    assert sorted(collector.offsets) == sorted(first.offsets)
    assert comparable_rows(collector.rows) == expected_rows(sandbox, STEAM)


@pytest.mark.parametrize("offsets", [[20, 40], [0, 13], []])
def test_inconsistent_pages_are_fetched_again(sandbox: Sandbox, offsets: list[int]) -> None:
    first, _ = extract(sandbox.url, STEAM)
    odd = [replace(first.pages[0], offset=13)]
    landed = [page for page in [*first.pages, *odd] if page.offset in offsets]
    collector, result = extract(sandbox.url, STEAM, landed)
    assert isinstance(result, ExtractResult)
    assert result.pages == len(first.pages)
    assert comparable_rows(collector.rows) == expected_rows(sandbox, STEAM)


@pytest.mark.parametrize("offset", [0, 40])
def test_only_a_landed_page_that_repeated_a_row_is_fetched_again(sandbox: Sandbox, offset: int) -> None:
    first, _ = extract(sandbox.url, STEAM)
    landed = [
        replace(page, rows=page.rows.head(19)) if page.offset == offset else page for page in first.pages
    ]
    collector, result = extract(sandbox.url, STEAM, landed)
    assert isinstance(result, ExtractResult)
    assert (result.pages, result.rounds) == (1, 0)
    assert comparable_rows(collector.rows) == expected_rows(sandbox, STEAM)


def test_pages_of_a_listing_that_has_changed_are_reconciled(sandbox: Sandbox) -> None:
    first, _ = extract(sandbox.url, STEAM)
    sandbox.vanish(3, provider="steam", seed=1)
    collector, result = extract(sandbox.url, STEAM, first.pages[:4])
    assert isinstance(result, ExtractResult)
    assert comparable_rows(collector.rows) == expected_rows(sandbox, STEAM)


def test_landed_items_are_not_fetched_again(sandbox: Sandbox) -> None:
    items = tuple(Item(str(number), f"item {number}", None) for number in range(1, 11))
    shard = Shard(0, "cs2cap", "USD", providers=PROVIDERS, items=items)
    first, _ = extract(sandbox.url, shard)
    before = len(sandbox.requests)
    collector, _ = extract(sandbox.url, shard, [page for page in first.pages if page.request != 4])
    assert len(sandbox.requests) - before == 1
    assert comparable_rows(collector.rows) == comparable_rows(first.rows)

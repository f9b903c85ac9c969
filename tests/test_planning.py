"""The cheapest shards for what a basket wants."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.plan import Item, plan


def items(count: int) -> tuple[Item, ...]:
    return tuple(Item(str(number), f"item {number}", None) for number in range(count))


def test_a_catalog_is_a_shard_a_provider_and_currency() -> None:
    shards = plan("cs2cap", None, ("steam", "buff163"), ("USD", "EUR"), every_provider=True).shards
    assert [(shard.currency, shard.providers) for shard in shards] == [
        ("USD", ("steam",)),
        ("USD", ("buff163",)),
        ("EUR", ("steam",)),
        ("EUR", ("buff163",)),
    ]
    assert all(shard.items is None and not shard.every_provider for shard in shards)


def test_items_are_asked_for_at_all_providers_at_once() -> None:
    shards = plan("cs2cap", items(250), ("steam", "buff163"), ("USD", "BTC"), every_provider=True).shards
    assert [(shard.currency, len(shard.items or ())) for shard in shards] == [
        *[("USD", 100), ("USD", 100), ("USD", 50)],
        *[("BTC", 100), ("BTC", 100), ("BTC", 50)],
    ]
    assert all(shard.providers == ("steam", "buff163") and shard.every_provider for shard in shards)


@pytest.mark.parametrize(("wanted", "requests"), [(items(25), 75), (None, 18)])
def test_the_least_it_costs_is_known_beforehand(wanted: tuple[Item, ...] | None, requests: int) -> None:
    made = plan("cs2cap", wanted, tuple("abcdef"), ("USD", "EUR", "BTC"))
    assert made.least_requests == requests
    assert made.notes


@given(st.integers(0, 350), st.integers(1, 4), st.integers(1, 3))
def test_every_item_is_in_one_shard_of_each_currency(count: int, providers: int, currencies: int) -> None:
    codes = [f"C{number}" for number in range(currencies)]
    shards = plan("cs2cap", items(count), [f"p{number}" for number in range(providers)], codes).shards
    assert [shard.number for shard in shards] == list(range(len(shards)))
    for code in codes:
        held = [item for shard in shards if shard.currency == code for item in shard.items or ()]
        assert held == list(items(count))

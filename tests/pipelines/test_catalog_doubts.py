"""Entries that a catalog lacks stay until three catalogs over two days lacked them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.schemas import ITEMS, PROVIDERS
from pipelines.catalog_doubts import (
    BELIEVED_AFTER,
    BELIEVED_CATALOGS,
    drop_missing,
    merge_catalogs,
    with_doubts,
    without_doubts,
)
from tests.support.clocks import NOON

DAY = timedelta(days=1)


def providers(*keys: str, **columns: Any) -> pl.DataFrame:
    rows = [{"provider": key, "name": key.upper(), **columns} for key in keys]
    return pl.DataFrame(rows, schema=PROVIDERS)


def items(*entries: tuple[str | None, str, str | None]) -> pl.DataFrame:
    schema = dict(list(ITEMS.items())[:3])
    frame = pl.DataFrame(entries, schema=schema, orient="row")
    return pl.concat([ITEMS.to_frame(), frame], how="diagonal")


def merge(name: str, *catalogs: pl.DataFrame, every: timedelta = DAY) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Merge catalogs that come one after another; return the last result."""
    rows, missing = None, tuple[str, ...]()
    for number, catalog in enumerate(catalogs):
        rows, missing = merge_catalogs(name, rows, catalog, NOON + number * every)
    assert rows is not None
    return rows, missing


def test_first_catalog_is_taken_as_it_is() -> None:
    rows, missing = merge("providers", providers("a"))
    assert without_doubts("providers", rows).equals(providers("a"))
    assert missing == ()


def test_provider_that_is_missing_once_stays_with_its_last_values() -> None:
    rows, missing = merge("providers", providers("a", "b", sell_fee=0.1), providers("a", sell_fee=0.2))
    assert rows.select("provider", "sell_fee").rows() == [("a", 0.2), ("b", 0.1)]
    assert missing == ("b",)


@pytest.mark.parametrize(
    ("lacking", "every", "kept"),
    [
        (1, DAY, True),
        (2, DAY, True),
        (3, DAY, False),
        (3, timedelta(minutes=10), True),
        (50, timedelta(minutes=10), True),
        (3, timedelta(hours=23), True),
        (4, timedelta(hours=23), False),
    ],
)
def test_loss_is_believed_after_three_catalogs_over_two_days(
    lacking: int, every: timedelta, kept: bool
) -> None:
    rows, missing = merge("providers", providers("a", "b"), *[providers("a")] * lacking, every=every)
    assert (set(rows["provider"]) == {"a", "b"}) is kept
    assert missing == (("b",) if kept else ())


def test_entry_that_is_back_is_no_longer_in_doubt() -> None:
    both, one = providers("a", "b"), providers("a")
    rows, missing = merge("providers", both, one, one, both, one, one)
    assert set(rows["provider"]) == {"a", "b"}
    assert missing == ("b",)
    assert drop_missing(rows)["provider"].to_list() == ["a"]


def test_item_with_another_name_or_another_id_is_not_missing() -> None:
    last = items(("1", "A", None), ("2", "B", None), (None, "C", None), ("4", "D", "Ruby"), ("5", "E", None))
    new = items(("1", "A renamed", None), ("9", "B", None), ("3", "C", None), ("4", "D", "Sapphire"))
    rows, missing = merge("items", last, new)
    assert rows["market_hash_name"].to_list() == [*new["market_hash_name"], "E"]
    assert missing == ("E",)


@pytest.mark.parametrize(("lost", "reported"), [(1, 0), (10, 0), (11, 11), (500, 500)])
def test_few_missing_items_are_kept_without_an_alert(lost: int, reported: int) -> None:
    last = items(*((str(number), f"item {number}", None) for number in range(1_000)))
    rows, missing = merge("items", last, last[lost:])
    assert (rows.height, len(missing)) == (1_000, reported)


def test_provider_with_another_key_of_the_same_name_takes_its_place() -> None:
    rows, missing = merge(
        "providers", providers("a", "b"), providers("a", "b2").with_columns(name=pl.Series(["A", "B"]))
    )
    assert (rows["provider"].to_list(), missing) == (["a", "b2"], ())


@given(st.lists(st.sets(st.sampled_from("abcdef"), min_size=1), min_size=1, max_size=8))
def test_entries_are_those_that_a_model_keeps(catalogs: list[set[str]]) -> None:
    """In the model, each entry counts the catalogs in a row that lacked it, one a day."""
    lacking: dict[str, int] = {}
    rows = None
    for number, catalog in enumerate(catalogs):
        known = {**dict.fromkeys(catalog, 0), **{key: lacking[key] + 1 for key in lacking.keys() - catalog}}
        lacking = {
            key: count
            for key, count in known.items()
            if count < BELIEVED_CATALOGS or (count - 1) * DAY < BELIEVED_AFTER
        }
        rows, missing = merge_catalogs("providers", rows, providers(*sorted(catalog)), NOON + number * DAY)
        assert sorted(rows["provider"]) == sorted(lacking)
        assert set(missing) == {key for key, count in lacking.items() if count}


def test_catalog_of_an_older_version_has_no_doubts() -> None:
    rows = with_doubts("providers", providers("a"))
    assert rows is not None
    assert drop_missing(rows).height == 1
    assert with_doubts("items", providers("a")) is None

"""Offers of single copies: what walks saw, loaded in any order, and what the view says of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import duckdb
import pytest
from msgspec.structs import astuple

from connectors.listings import Offer, WalkEnd
from tests.support.listings import Walk, land_walks
from tests.support.warehouse import load_into_memory, minute
from warehouse.paths import WarehousePaths

STATES = "SELECT listing_id, first_seen, last_seen, not_before, gone_at, state FROM listings ORDER BY ALL"


def offer(name: str, dollars: float = 1) -> Offer:
    return Offer(name, Decimal(str(dollars)))


def load_walks(folder: Path, *walks: Walk, order: tuple[int, ...] | None = None) -> duckdb.DuckDBPyConnection:
    paths = WarehousePaths(folder)
    folders = [
        land_walks(paths, f"run-{number}", walk.walk.started_at, walk) for number, walk in enumerate(walks)
    ]
    return load_into_memory([folders[place] for place in order or range(len(folders))])


def test_offer_has_all_that_the_answer_said(tmp_path: Path) -> None:
    copy = Offer(
        "a", Decimal("12.34"), name="Doppler", phase="Ruby", paint_index=415, wear="0.012345678901234567",
        paint_seed=661, fade=99.5, hardened="Tier 1", stickers='[{"slot":1}]',
        charm='{"name":"x"}', delivery="instant",
    )  # fmt: skip
    db = load_walks(tmp_path, Walk("1", minute(0), copy))
    columns = Offer.__struct_fields__
    assert db.execute(f"SELECT {', '.join(columns)} FROM listings").fetchall() == [astuple(copy)]
    assert db.execute("SELECT item FROM listings").fetchone() == ("AK-47 | Finish 1 (Field-Tested) @ Ruby",)


@pytest.mark.slow
def test_order_of_the_loads_does_not_matter(tmp_path: Path) -> None:
    walks = [
        Walk("1", minute(0), offer("a"), offer("b", 2)),
        Walk("1", minute(60), offer("b", 3), offer("c")),
        Walk("1", minute(120), offer("c")),
    ]
    expected = [
        ("a", minute(0), minute(0), None, minute(60), "gone"),
        ("b", minute(0), minute(60), None, minute(120), "gone"),
        ("c", minute(60), minute(120), minute(0), None, "listed"),
    ]
    for number, order in enumerate([(0, 1, 2), (2, 1, 0), (1, 2, 0)]):
        db = load_walks(tmp_path / str(number), *walks, order=order)
        assert db.execute(STATES).fetchall() == expected
        assert db.execute("SELECT price FROM listings WHERE listing_id = 'b'").fetchone() == (Decimal(3),)


def test_offer_that_comes_back_is_not_gone(tmp_path: Path) -> None:
    walks = [Walk("1", minute(at), *seen) for at, seen in ((0, [offer("a")]), (60, []), (120, [offer("a")]))]
    db = load_walks(tmp_path, *walks)
    assert db.execute(STATES).fetchall() == [("a", minute(0), minute(120), None, None, "listed")]


def test_empty_walk_counts_when_the_next_one_is_empty_too(tmp_path: Path) -> None:
    walks = [Walk("1", minute(at), *seen) for at, seen in ((0, [offer("a")]), (60, []), (120, []))]
    db = load_walks(tmp_path / "one", *walks[:2])
    assert db.execute(STATES).fetchall() == [("a", minute(0), minute(0), None, None, "unknown")]
    db = load_walks(tmp_path / "two", *walks)
    assert db.execute(STATES).fetchall() == [("a", minute(0), minute(0), None, minute(60), "gone")]


def model(walks: list[tuple[WalkEnd, dict[str, int]]], at: list[datetime]) -> list[tuple[object, ...]]:
    """Return the rows of STATES, in plain Python."""
    rows: list[tuple[object, ...]] = []
    for name in sorted({name for _, seen in walks for name in seen}):
        places = [place for place, (_, seen) in enumerate(walks) if name in seen]
        price = walks[places[-1]][1][name]
        whole = [place for place, (end, _) in enumerate(walks) if end == "whole"]
        proofs = [
            place
            for place, following in zip(whole, [*whole, None][1:], strict=True)
            if walks[place][1] or (following is not None and not walks[following][1])
        ]
        gone = next((at[place] for place in proofs if place > places[-1]), None)
        before = max((at[place] for place in proofs if place < places[0]), default=None)
        doubtful = [
            place
            for place, (end, _) in enumerate(walks)
            if end != "interrupted" and place > places[-1] and place not in proofs
        ]
        state = "gone" if gone else "listed"
        if doubtful and not gone:
            reach = max(walks[doubtful[-1]][1].values(), default=0)
            state = "missing" if price < reach else "unknown"
        rows.append((name, at[places[0]], at[places[-1]], before, gone, state))
    return rows


@pytest.mark.slow
def test_states_equal_the_model(tmp_path: Path) -> None:
    """Sixty items, each walked five times by the same runs, with other offers and another end each time."""
    random = Random(7)
    at = [minute(60 * number) for number in range(5)]
    ends: list[WalkEnd] = ["whole", "capped", "interrupted"]
    plans = {
        str(item): [
            (random.choice(ends), {name: random.randint(1, 9) for name in "abcd" if random.random() < 0.5})
            for _ in at
        ]
        for item in range(60)
    }
    folders = [
        land_walks(
            WarehousePaths(tmp_path),
            f"run-{number}",
            time,
            *(
                Walk(item, time, *(offer(f"{item}{name}", price) for name, price in seen.items()), end=end)
                for item, (end, seen) in ((item, walks[number]) for item, walks in plans.items())
            ),
        )
        for number, time in enumerate(at)
    ]
    found = load_into_memory(folders).execute(STATES).fetchall()
    expected = [
        (item + str(name), *rest) for item, walks in plans.items() for name, *rest in model(walks, at)
    ]
    assert sorted(found) == sorted(expected)
    assert {row[-1] for row in found} == {"listed", "gone", "missing", "unknown"}


def test_walk_that_began_before_the_last_sight_calls_nothing_gone(tmp_path: Path) -> None:
    """Two restless passes count as one walk: what only the first one saw is not gone."""
    first = Walk("1", minute(0), offer("a"))
    second = Walk("1", minute(0) - timedelta(seconds=1), offer("b"), seconds=5)
    db = load_walks(tmp_path, first, second)
    assert db.execute("SELECT state FROM listings WHERE listing_id = 'a'").fetchall() == [("listed",)]

"""Rows that did not fit: kept with their text, never taken for vanished, marked once replayed."""

import json
from pathlib import Path

import pytest

from tests.support.clocks import NOON
from tests.support.warehouse import (
    Page,
    Quote,
    ShardSpec,
    create_warehouse,
    current_prices,
    land,
    land_and_load,
    load,
    minute,
    observe,
    query_rows,
)
from warehouse.paths import WarehousePaths


def raw(**fields: object) -> str:
    return json.dumps(fields)


@pytest.fixture
def home(tmp_path: Path) -> WarehousePaths:
    """Return a warehouse that has seen items 1, 2 and 3 at noon."""
    home = create_warehouse(tmp_path)
    land_and_load(home, "a", observe(minute(0), Quote("1"), Quote("2"), Quote("3")))
    return home


def test_a_reject_is_stored_with_its_text_and_the_reason(home: WarehousePaths) -> None:
    text = '{"item_id": 1, "lowest_ask": "abc", "name": "★ \\u2605 \\" \\n"}'
    report = land_and_load(
        home, "b", observe(minute(10), Quote("2"), Quote("3"), rejects=[("no integer", text)])
    )

    assert report.rows_rejected == 1
    assert query_rows(
        home, "SELECT reject_id, run_id, observed_at, reason, raw, replayed_run_id FROM rejects"
    ) == [("b/0001/0/0", "b", minute(10), "no integer", text, None)]
    assert query_rows(home, "SELECT rows_rejected FROM runs WHERE run_id = 'b'") == [(1,)]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (raw(item_id=1, provider="steam"), {"1", "2"}),
        (raw(item_id="1", provider="steam"), {"1", "2"}),
        (raw(item_id="oops", market_hash_name="AK-47 | Finish 1 (Field-Tested)"), {"1", "2"}),
        (raw(item_id=1, provider="stem"), {"1", "2"}),
        (raw(item_id=99, market_hash_name="AK-47 | Brand New (Field-Tested)"), {"2"}),
        (raw(item_id=1, provider="buff163"), {"1", "2"}),
        (raw(provider="steam"), {"1", "2", "3"}),
        (raw(item_id=None, market_hash_name=None), {"1", "2", "3"}),
        ("{broken", {"1", "2", "3"}),
        ("[" * 100_000, {"1", "2", "3"}),
        ('"a string"', {"1", "2", "3"}),
        ('{"item_id": "\\ud800", "provider": "steam"}', {"1", "2", "3"}),
    ],
    ids=[
        "id", "id-as-text", "name", "unknown-provider", "unknown-item", "provider-never-seen", "no-item",
        "null-item", "no-json", "deep", "no-object", "half-a-surrogate",
    ],
)  # fmt: skip
def test_whom_a_reject_may_be_about_is_not_closed(home: WarehousePaths, text: str, left: set[str]) -> None:
    """The page brought item 2 and one row that did not fit: items 1 and 3 are absent from the rest."""
    land_and_load(home, "b", observe(minute(10), Quote("2"), rejects=[("did not fit", text)]))
    assert set(current_prices(home)) == left


def test_a_reject_of_another_provider_holds_nothing(home: WarehousePaths) -> None:
    land_and_load(home, "b", observe(minute(5), Quote("1", provider="buff163"), providers=("buff163",)))
    broken = [("did not fit", raw(item_id=1, provider="buff163"))]
    steam, buff = observe(minute(10), Quote("2")), observe(minute(10), providers=("buff163",), rejects=broken)
    land_and_load(home, "c", steam, buff)
    assert query_rows(home, "SELECT provider, item_id FROM quotes ORDER BY ALL") == [
        ("buff163", "1"),
        ("steam", "2"),
    ]


def test_rejects_of_a_page_that_was_walked_again_do_not_count(home: WarehousePaths) -> None:
    pages = [
        Page(minute(10), [Quote("1"), Quote("2")], rejects=[("did not fit", raw(item_id=3))]),
        Page(minute(11), [Quote("1"), Quote("2")]),
    ]
    assert land_and_load(home, "b", ShardSpec(pages)).rows_rejected == 0
    assert set(current_prices(home)) == {"1", "2"}


def test_a_torn_page_takes_its_rejects_with_it(home: WarehousePaths) -> None:
    broken = [[("did not fit", raw(item_id=number))] for number in (1, 2)]
    pages = [Page(minute(10), [], offset=n, rejects=rejects) for n, rejects in enumerate(broken)]
    file = land(home, "b", ShardSpec(pages), state=None) / "0001.arrow"
    file.write_bytes(file.read_bytes()[:-5])

    assert load(home)[0].rows_rejected == 1
    assert set(current_prices(home)) == {"1", "2", "3"}


def test_text_that_is_no_text_is_kept_as_well_as_it_can_be(home: WarehousePaths) -> None:
    land_and_load(home, "b", observe(minute(10), rejects=[("no \ud800 text", "half \ud800 \x00 a pair")]))
    assert query_rows(home, "SELECT reason, raw FROM rejects") == [("no ? text", "half ? \x00 a pair")]


def test_a_replay_marks_the_rejects_it_brought_in(home: WarehousePaths) -> None:
    broken = [("did not fit", raw(item_id=number)) for number in (1, 3)]
    land_and_load(home, "b", observe(minute(10), Quote("2"), rejects=broken))
    replay = observe(minute(10), Quote("1", 150), complete=False)
    land(home, "replay-1", replay, flow="replay", started_at=minute(60), facts={"replayed": ["b/0001/0/0"]})
    load(home)

    assert query_rows(home, "SELECT reject_id, replayed_run_id FROM rejects ORDER BY ALL") == [
        ("b/0001/0/0", "replay-1"),
        ("b/0001/0/1", None),
    ]
    origins = (
        "SELECT origin, lowest_ask, valid_from FROM quote_history WHERE item_id = '1' ORDER BY valid_from"
    )
    assert query_rows(home, origins) == [("snapshot", 100, NOON), ("replay", 150, minute(10))]

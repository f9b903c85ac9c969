"""Rejects: stored with their text, never taken for vanished quotes, marked when replayed."""

import json
from pathlib import Path

import pytest

from tests.support.cases import slow_but
from tests.support.clocks import NOON
from tests.support.warehouse import (
    Page,
    Quote,
    ShardSpec,
    copy_warehouse,
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


def to_raw(**fields: object) -> str:
    return json.dumps(fields)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    """Return a warehouse that observed items 1, 2 and 3 at noon."""
    paths = create_warehouse(tmp_path_factory.mktemp("warehouse"))
    land_and_load(paths, "a", observe(minute(0), Quote("1"), Quote("2"), Quote("3")))
    return paths


@pytest.fixture
def paths(template: WarehousePaths, tmp_path: Path) -> WarehousePaths:
    return copy_warehouse(template, tmp_path)


@pytest.mark.lake
def test_reject_is_stored_with_its_text_and_reason(paths: WarehousePaths) -> None:
    text = '{"item_id": 1, "lowest_ask": "abc", "name": "★ \\u2605 \\" \\n"}'
    shard = observe(minute(10), Quote("2"), Quote("3"), rejects=[("no integer", text)])
    report = land_and_load(paths, "b", shard)

    assert report.rows_rejected == 1
    assert query_rows(
        paths, "SELECT reject_id, run_id, observed_at, reason, raw, replayed_run_id FROM rejects"
    ) == [("b/0001/0/0", "b", minute(10), "no integer", text, None)]
    assert query_rows(paths, "SELECT rows_rejected FROM runs WHERE run_id = 'b'") == [(1,)]


# What a reject shows, and which quotes stay listed.
UNREAD: dict[str, tuple[str, set[str]]] = {
    "id": (to_raw(item_id=1, provider="steam"), {"1", "2"}),
    "id-as-text": (to_raw(item_id="1", provider="steam"), {"1", "2"}),
    "name": (to_raw(item_id="oops", market_hash_name="AK-47 | Finish 1 (Field-Tested)"), {"1", "2"}),
    "unknown-provider": (to_raw(item_id=1, provider="stem"), {"1", "2"}),
    "unknown-item": (to_raw(item_id=99, market_hash_name="AK-47 | Brand New (Field-Tested)"), {"2"}),
    "provider-never-seen": (to_raw(item_id=1, provider="buff163"), {"1", "2"}),
    "no-item": (to_raw(provider="steam"), {"1", "2", "3"}),
    "null-item": (to_raw(item_id=None, market_hash_name=None), {"1", "2", "3"}),
    "no-json": ("{broken", {"1", "2", "3"}),
    "deep": ("[" * 100_000, {"1", "2", "3"}),
    "no-object": ('"a string"', {"1", "2", "3"}),
    "half-a-surrogate": ('{"item_id": "\\ud800", "provider": "steam"}', {"1", "2", "3"}),
}


@pytest.mark.parametrize(
    ("text", "remaining"), slow_but({"id", "name", "unknown-item", "provider-never-seen", "no-json"}, UNREAD)
)
def test_quote_that_a_reject_may_be_about_is_not_closed(
    paths: WarehousePaths, text: str, remaining: set[str]
) -> None:
    """The page has item 2 and one reject: items 1 and 3 are absent from the other rows."""
    land_and_load(paths, "b", observe(minute(10), Quote("2"), rejects=[("did not fit", text)]))
    assert set(current_prices(paths)) == remaining


@pytest.mark.slow
def test_reject_of_another_provider_prevents_no_closure(paths: WarehousePaths) -> None:
    land_and_load(paths, "b", observe(minute(5), Quote("1", provider="buff163"), providers=("buff163",)))
    rejects = [("did not fit", to_raw(item_id=1, provider="buff163"))]
    buff = observe(minute(10), providers=("buff163",), rejects=rejects)
    land_and_load(paths, "c", observe(minute(10), Quote("2")), buff)
    assert query_rows(paths, "SELECT provider, item_id FROM quotes ORDER BY ALL") == [
        ("buff163", "1"),
        ("steam", "2"),
    ]


def test_rejects_of_a_replaced_page_do_not_count(paths: WarehousePaths) -> None:
    pages = [
        Page(minute(10), [Quote("1"), Quote("2")], rejects=[("did not fit", to_raw(item_id=3))]),
        Page(minute(11), [Quote("1"), Quote("2")]),
    ]
    assert land_and_load(paths, "b", ShardSpec(pages)).rows_rejected == 0
    assert set(current_prices(paths)) == {"1", "2"}


def test_truncated_page_loses_its_rejects(paths: WarehousePaths) -> None:
    rejects = [("did not fit", to_raw(item_id=number)) for number in (1, 2)]
    pages = [Page(minute(10), [], offset=offset, rejects=[reject]) for offset, reject in enumerate(rejects)]
    file = land(paths, "b", ShardSpec(pages), state=None) / "0001.arrow.zst"
    file.write_bytes(file.read_bytes()[:-13])  # the end mark, and five bytes of the page

    assert load(paths)[0].rows_rejected == 1
    assert set(current_prices(paths)) == {"1", "2", "3"}


def test_invalid_characters_of_a_reject_are_replaced(paths: WarehousePaths) -> None:
    land_and_load(paths, "b", observe(minute(10), rejects=[("no \ud800 text", "half \ud800 \x00 a pair")]))
    assert query_rows(paths, "SELECT reason, raw FROM rejects") == [("no ? text", "half ? \x00 a pair")]


def test_replay_marks_its_rejects(paths: WarehousePaths) -> None:
    rejects = [("did not fit", to_raw(item_id=number)) for number in (1, 3)]
    land_and_load(paths, "b", observe(minute(10), Quote("2"), rejects=rejects))
    replay = observe(minute(10), Quote("1", 150), complete=False)
    land(paths, "replay-1", replay, flow="replay", started_at=minute(60), facts={"replayed": ["b/0001/0/0"]})
    load(paths)

    assert query_rows(paths, "SELECT reject_id, replayed_run_id FROM rejects ORDER BY ALL") == [
        ("b/0001/0/0", "replay-1"),
        ("b/0001/0/1", None),
    ]
    query = "SELECT origin, lowest_ask, valid_from FROM quote_history WHERE item_id = '1' ORDER BY valid_from"
    assert query_rows(paths, query) == [("snapshot", 100, NOON), ("replay", 150, minute(10))]

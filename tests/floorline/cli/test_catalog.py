"""The commands `floorline items search` and `floorline providers`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from common.shards import Item
from floorline.cli.render.catalog import print_items
from pipelines.planning.selectors import resolve_items
from sandbox.core import Sandbox
from sandbox.market.providers import PROVIDERS
from tests.support.catalogs import catalog_of_names
from tests.support.json_outputs import read_result
from tests.support.snapshots import REDLINE, Bench, CommandOutput, basket, main_with
from tests.support.terminals import read_table

pytestmark = pytest.mark.usefixtures("no_prefect")


def run(bench: Bench, *arguments: str) -> CommandOutput:
    return main_with(*arguments, "--config", str(bench.config))


def test_items_are_found_by_abbreviations(bench: Bench) -> None:
    output = run(bench, "items", "search", "ak", "redline", "ft")
    assert read_table(output.out).rows[0][0] == REDLINE
    assert "fetched items, which were not cached: 1 of the month's requests" in output.err


def test_cached_catalog_costs_no_request_until_it_is_refreshed(bench: Bench, sandbox: Sandbox) -> None:
    for extra, requests in (((), 1), ((), 1), (("--refresh",), 2)):
        assert run(bench, "items", "search", "ak", *extra).code == 0
        assert len(sandbox.requests.of_path("/v1/items")) == requests


def test_limit_says_how_many_items_are_left_out(bench: Bench) -> None:
    found = read_result(run(bench, "items", "search", "st", "--json", "--limit", "3").out)
    assert len(found["items"]) == 3 < found["items_found"]
    assert all(item["is_stattrak"] for item in found["items"])
    assert f"--limit {found['items_found']}" in run(bench, "items", "search", "st", "--limit", "3").err


def test_words_that_no_item_has(bench: Bench) -> None:
    output = run(bench, "items", "search", "redlien", "ak")
    assert (output.code, output.out) == (1, "")
    assert "no item has all of these words: 'redlien ak'; did you mean 'redline ak'?" in output.err


def test_words_of_a_basket_select_the_item(bench: Bench, sandbox: Sandbox) -> None:
    words = Bench.at(bench.folder / "words", sandbox, basket(items=["ak redline ft"]))
    words.snapshot()
    assert words.query("SELECT DISTINCT item FROM quotes") == [(REDLINE,)]


def test_backfill_takes_words(bench: Bench) -> None:
    yesterday = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
    output = run(bench, "backfill", "--items", "ak redline", "--from", yesterday)
    assert output.code == 2
    assert "no item is called 'ak redline'; did you mean" in output.err


def test_every_marketplace_is_listed_with_key_and_name(bench: Bench) -> None:
    listed = read_result(run(bench, "providers", "--json").out)
    assert {(each["provider"], each["name"]) for each in listed} == {(p.key, p.name) for p in PROVIDERS}
    shown = read_table(run(bench, "providers").out)
    assert shown.columns[:2] == ["key", "name"]
    assert ["steam", "Steam Community Market"] in [row[:2] for row in shown.rows]


def test_unknown_source(bench: Bench) -> None:
    output = run(bench, "providers", "--source", "cs2capp")
    assert output.code == 2
    assert "no source is called cs2capp; the configuration has cs2cap; did you mean cs2cap?" in output.err


def test_foreign_names_are_shown_in_one_form_and_run_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    name = "Sticker\x1b[31m | \u202eOdd"
    catalogs = {"cs2cap": catalog_of_names(name)}
    assert print_items(catalogs, "sticker odd", limit=5, as_json=False) == 1
    shown = capsys.readouterr().out
    assert shown.splitlines()[1].split("  ")[0] == "Sticker\\x1b[31m | \\u202eOdd"
    assert print_items(catalogs, "\x1b[31mnone", limit=5, as_json=False) == 0
    assert "\x1b" not in capsys.readouterr().err
    assert resolve_items([shown.splitlines()[1].split("  ")[0]], catalogs["cs2cap"]) == (
        Item("1", name, None),
    )

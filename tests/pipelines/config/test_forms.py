"""The forms that a configuration may have: durations, lists of one, baskets by name, words in any case."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ConfigError
from common.numbers import LONGEST
from pipelines.config import Settings, SkinsharkSettings, parse_settings
from pipelines.config.fields import SHORTEST_INTERVAL, parse_duration

UNITS = {
    "s": 1,
    "sec": 1,
    "seconds": 1,
    "m": 60,
    "min": 60,
    "minutes": 60,
    "h": 3600,
    "hour": 3600,
    "d": 86_400,
    "days": 86_400,
    "w": 604_800,
    "weeks": 604_800,
}
CORE: dict[str, Any] = {"source": "cs2cap", "items": ["all"]}
# Of TOML, and of JSON in a variable.
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.times(),
    lambda values: st.lists(values, max_size=2) | st.dictionaries(st.text(max_size=3), values, max_size=2),
    max_leaves=3,
)


def settings_of(basket: dict[str, Any]) -> Settings:
    return parse_settings(
        {"sources": {"cs2cap": {}}, "baskets": [{"name": "core", **CORE, **basket}]}, Path()
    )


@given(st.integers(0, 5_000), st.sampled_from(sorted(UNITS)), st.sampled_from(["", " ", "  "]))
def test_duration_is_a_number_with_a_unit(number: int, unit: str, blank: str) -> None:
    assert parse_duration(f" {number}{blank}{unit} ") == timedelta(seconds=number * UNITS[unit])


@pytest.mark.parametrize(
    ("text", "seconds"), [("1h 30m", 5400), ("1.5 hours", 5400), ("1w 2d", 777_600), ("2 HOURS", 7200)]
)
def test_duration_may_have_parts_and_fractions(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("path", [".", "..", "data", "~/data", "./~data"])
def test_warehouse_may_be_any_folder(path: str, tmp_path: Path) -> None:
    """`.` is the folder of the configuration, where the demo has its warehouse; `./~x` is no home folder."""
    settings = parse_settings({"warehouse": {"path": path}, "sources": {"cs2cap": {}}}, tmp_path)
    assert settings.root == (Path.home() / "data" if path == "~/data" else tmp_path / path)


@given(st.text() | st.from_regex(r"-?[0-9.e]{1,30} ?(s|m|h|d|w|min|nan|inf|:30)"))
def test_any_text_is_a_duration_within_the_bounds_or_an_error(text: str) -> None:
    try:
        every = settings_of({"every": text}).baskets[0].every
    except ConfigError as error:
        assert "basket core: every " in error.detail  # noqa: PT017 - or it is a duration
    else:
        assert SHORTEST_INTERVAL <= every <= LONGEST


@given(
    VALUES,
    st.sampled_from(["every", "fresh", "cron", "timezone", "items", "providers", "currencies", "bids"]),
)
def test_any_value_of_a_key_is_valid_or_an_error_of_that_key(value: object, key: str) -> None:
    try:
        settings_of({key: value})
    except ConfigError as error:
        assert f"basket core: {key}" in error.detail  # noqa: PT017 - or the value is valid


@pytest.mark.parametrize(
    "length", ["0s", "9s", "9.999s", "-10m", "-0.1s", "36501d", "9" * 39 + "d", "1e9d", "٣h"]
)
def test_interval_outside_of_its_bounds_is_an_error(length: str) -> None:
    with pytest.raises(ConfigError, match=r"every (must|is no duration)"):
        settings_of({"every": length})


def test_durations_that_may_be_zero() -> None:
    assert settings_of({"fresh": "0s"}).baskets[0].fresh == timedelta()


def test_one_entry_stands_for_a_list_of_one() -> None:
    fields = {"items": 4994, "providers": "steam", "currencies": "eur"}
    (basket,) = settings_of(fields).baskets
    assert (basket.items, basket.providers, basket.currencies) == ((4994,), ("steam",), ("eur",))
    assert parse_settings({"alerts": {"notify": "env:URL"}}, Path()).alerts.notify == ("env:URL",)


@pytest.mark.parametrize("item", [0, -1, True, "", 1.5, None, ["A"], {"a": 1}])
def test_item_is_a_name_or_an_id(item: object) -> None:
    with pytest.raises(
        ConfigError, match="items, entry 2, must be the name of an item in quotation marks, or its id"
    ):
        settings_of({"items": ["- a name", item]})


def test_basket_by_name_is_a_basket(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"sources": {"cs2cap": {}}, "baskets": {"one": CORE, "two": {**CORE, "every": "1 hour"}}}
    baskets = parse_settings(fields, Path()).baskets
    assert [basket.name for basket in baskets] == ["one", "two"]
    assert baskets[1].every == timedelta(hours=1)
    monkeypatch.setenv("FLOORLINE_BASKETS__TWO__EVERY", "1w")
    monkeypatch.setenv("FLOORLINE_BASKETS__0__PROVIDERS", "steam, buff163")
    one, two = parse_settings(fields, Path()).baskets
    assert (one.providers, two.every) == (("steam", "buff163"), timedelta(weeks=1))


def test_baskets_of_a_variable_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOORLINE_BASKETS", json.dumps({"only": CORE}))
    (basket,) = parse_settings({"sources": {"cs2cap": {}}}, Path()).baskets
    assert basket.name == "only"


def test_words_may_be_in_any_case() -> None:
    sources = {"Mine": {"kind": "SkinShark", "tier": "Premium", "market": "C5"}, "CS2Cap": {"tier": "PRO"}}
    basket = {"name": "core", "source": "CS2Cap", "items": "all", "route": "Stream", "fx": "TABLE"}
    settings = parse_settings({"sources": sources, "baskets": [basket]}, Path())
    mine = settings.sources["Mine"]
    assert isinstance(mine, SkinsharkSettings)
    assert (mine.tier, mine.market, settings.sources["CS2Cap"].tier) == ("premium", "c5", "pro")
    assert (settings.baskets[0].route, settings.baskets[0].fx) == ("stream", "table")

"""Watches in the configuration: exact prices, defaults, forms, the environment, and how they are shown."""

from __future__ import annotations

import tomllib
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ConfigError
from pipelines.config import Settings, parse_settings
from pipelines.config.effective import describe_settings, render_settings
from pipelines.config.schema import configuration_schema

CHEAP = {"name": "cheap", "item": "AK-47 | Redline (Field-Tested)", "below": 12.5}
QUERY = {"name": "old", "query": "SELECT 1\nFROM quotes\n"}


def load(*watches: dict[str, Any], **by_name: dict[str, Any]) -> Settings:
    return parse_settings({"watches": by_name or list(watches)}, Path("/srv"))


def test_defaults() -> None:
    cheap, old = load(CHEAP, QUERY).watches
    assert (cheap.below, cheap.above, cheap.currency) == (Decimal("12.5"), None, "USD")
    assert (cheap.marketplace, cheap.severity, cheap.time_limit) == (
        ("all",),
        "warning",
        timedelta(seconds=10),
    )
    assert cheap.condition == "AK-47 | Redline (Field-Tested) below 12.5 USD"
    assert old.condition == "SELECT 1\nFROM quotes"


@given(st.decimals("0.00000001", "999999999999", places=8))
def test_price_is_exact_as_a_number_or_as_text(price: Decimal) -> None:
    for written in (f"{price:f}", *([float(price)] if Decimal(repr(float(price))) == price else [])):
        (watch,) = load({**CHEAP, "below": written}).watches
        assert watch.below == price
        shown = parse_settings(
            tomllib.loads(render_settings(load({**CHEAP, "below": written}))), Path("/srv")
        )
        assert shown.watches == (watch,)


def test_shown_watches_are_the_same_watches() -> None:
    settings = load({**CHEAP, "above": 20, "marketplace": ["steam", "buff163"], "phase": "Ruby"}, QUERY)
    document = tomllib.loads(render_settings(settings))
    assert parse_settings(document, settings.base).watches == settings.watches
    assert describe_settings(settings)["watches"][0]["below"] == 12.5
    jsonschema.Draft202012Validator(configuration_schema()).validate(document)


def test_a_table_by_name_is_a_watch() -> None:
    assert load(cheap={**CHEAP, "name": "cheap"}, old={"query": "FROM quotes"}).watches[1].name == "old"
    jsonschema.Draft202012Validator(configuration_schema()).validate(
        {"watches": {"old": {"query": "FROM x"}}}
    )


def test_environment_sets_keys_of_a_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOORLINE_WATCHES__CHEAP__BELOW", "9.50")
    monkeypatch.setenv("FLOORLINE_WATCHES__CHEAP__MARKETPLACE", "steam,buff163")
    (watch,) = load(CHEAP).watches
    assert (watch.below, watch.marketplace) == (Decimal("9.5"), ("steam", "buff163"))
    assert "below = 9.5 # from FLOORLINE_WATCHES__CHEAP__BELOW\n" in render_settings(load(CHEAP))


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("FLOORLINE_WATCHES__CHEEP__BELOW", "9", "no watch is called so; the configuration has cheap"),
        ("FLOORLINE_WATCHES__CHEAP", "9", "FLOORLINE_WATCHES__CHEAP needs __ and a key"),
        ("FLOORLINE_WATCHES__CHEAP__BELOW", "x", "FLOORLINE_WATCHES__CHEAP__BELOW must be a price"),
        ("FLOORLINE_WATCH__CHEAP__BELOW", "9", "did you mean FLOORLINE_WATCHES__CHEAP__BELOW?"),
        ("FLOORLINE_WATCHES__CHEAP__BELLOW", "9", "did you mean below?"),
    ],
)
def test_wrong_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as caught:
        load(CHEAP)
    assert message in str(caught.value)


def test_watches_are_selected_by_name() -> None:
    settings = load(CHEAP, QUERY)
    assert [watch.name for watch in settings.select_watches(("old", "old"))] == ["old"]
    assert len(settings.select_watches(())) == 2
    with pytest.raises(ConfigError, match="no watch is called new; the configuration has cheap, old"):
        settings.select_watches(("new",))
    with pytest.raises(ConfigError, match=r"no watch is configured: add a \[\[watches\]\] table"):
        load().select_watches(())

"""Variables of the environment: misspelt ones are errors, empty ones are unset, and lists take two forms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from common.errors import ConfigError
from pipelines.config import Settings, parse_settings
from tests.support.snapshots import main_with

SOURCES: dict[str, Any] = {"cs2cap": {}, "Mine": {"kind": "cs2cap", "key": "env:FLOORLINE_MY_KEY"}}
BASKETS = [
    {"name": "Core", "source": "cs2cap", "items": ["all"]},
    {"name": "other", "source": "Mine", "items": ["all"], "providers": ["steam"]},
]


def load(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return parse_settings({"sources": SOURCES, "baskets": BASKETS}, Path(), "floorline.toml")


MISSPELT = {
    "new: table": (
        "FLOORLINE_WAREHOSE__PATH",
        "is no variable of Floorline; did you mean FLOORLINE_WAREHOUSE__PATH?",
    ),
    "new: one underscore": ("FLOORLINE_WAREHOUSE_PATH", "did you mean FLOORLINE_WAREHOUSE__PATH?"),
    "new: path of the file": ("FLOORLINE_CONFG", "did you mean FLOORLINE_CONFIG?"),
    "new: small letters": ("floorline_confg", "did you mean FLOORLINE_CONFIG?"),
    "new: sources": ("FLOORLINE_SOURCE__CS2CAP__TIER", "did you mean FLOORLINE_SOURCES__CS2CAP__TIER?"),
    "new: baskets": ("FLOORLINE_BASKET__CORE__EVERY", "did you mean FLOORLINE_BASKETS__CORE__EVERY?"),
    "new: folder of the file": ("FLOORLINE_BASE", "is no variable of Floorline"),
    "new: escape codes": ("FLOORLINE_\x1b[31m", "FLOORLINE_\\x1b[31m is no variable"),
    "new: key of a table": (
        "FLOORLINE_WAREHOUSE__PTH",
        "FLOORLINE_WAREHOUSE__PTH is no key of this table; did you mean path?",
    ),
    "new: key of a source": (
        "FLOORLINE_SOURCES__CS2CAP__CONCURENCY",
        "did you mean concurrency?",
    ),
    "new: source": (
        "FLOORLINE_SOURCES__CS2CPA__TIER",
        "no source is called so; the configuration has cs2cap, Mine",
    ),
    "new: basket": (
        "FLOORLINE_BASKETS__COR__EVERY",
        "no basket is called so; the configuration has Core, other",
    ),
    "new: number of a basket": (
        "FLOORLINE_BASKETS__7__EVERY",
        "FLOORLINE_BASKETS__7: no basket is called so",
    ),
    "new: key of a basket": ("FLOORLINE_BASKETS__0__EVRY", "did you mean every?"),
    "new: basket without a key": ("FLOORLINE_BASKETS__CORE", "FLOORLINE_BASKETS__CORE needs __ and a key"),
    "guard: source without a key": ("FLOORLINE_SOURCES__CS2CAP", "the value of cs2cap is not valid JSON"),
    "new: key within a value": (
        "FLOORLINE_BASKETS__0__EVERY__X",
        "FLOORLINE_BASKETS__0__EVERY__X must be a duration",
    ),
    "guard: no table": ("FLOORLINE_BASKETS", "FLOORLINE_BASKETS: 0 must be a table"),
    "guard: no JSON": ("FLOORLINE_WAREHOUSE", "the value of warehouse is not valid JSON"),
}


@pytest.mark.parametrize(("name", "message"), MISSPELT.values(), ids=MISSPELT)
def test_misspelt_variable_is_an_error_with_the_nearest_name(
    monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=r"^the environment: ") as error:
        load(monkeypatch, {name: "hunter2"})
    assert message in error.value.detail
    assert "hunter2" not in error.value.detail


def test_misspelt_variable_ends_a_command_with_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "floorline.toml").write_text("[sources.cs2cap]\n")
    monkeypatch.setenv("FLOORLINE_WAREHOSE__PATH", str(tmp_path))
    output = main_with("status", "--config", str(tmp_path / "floorline.toml"))
    assert output.code == 2
    assert output.err == (
        "floorline: the environment: FLOORLINE_WAREHOSE__PATH is no variable of Floorline;"
        " did you mean FLOORLINE_WAREHOUSE__PATH?\n"
    )


def test_misspelt_key_of_the_file_is_an_error_with_the_nearest_key() -> None:
    fields = {
        "sources": {"cs2cap": {"concurency": 3}},
        "warehose": {},
        "baskets": [{**BASKETS[0], "evry": "1m"}],
    }
    with pytest.raises(ConfigError) as error:
        parse_settings(fields, Path())
    for suggestion in ("concurrency", "[warehouse]", "every"):
        assert f"; did you mean {suggestion}?" in error.value.detail


def test_key_of_another_configuration_is_no_misspelling(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, {"FLOORLINE_OTHER_KEY": "x"})
    with pytest.raises(ConfigError, match="did you mean FLOORLINE_SOURCES__CS2CAP__KEY"):
        load(monkeypatch, {"FLOORLINE_SOURCES_CS2CAP_KEY": "env:X"})


def test_variable_that_holds_a_key_of_the_configuration_is_no_misspelling(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert load(
        monkeypatch, {"FLOORLINE_MY_KEY": "x", "FLOORLINE_SOURCES__MINE__KEY": "env:FLOORLINE_MY_KEY"}
    )


@pytest.mark.parametrize(
    "name",
    [
        "FLOORLINE_WAREHOUSE__PATH",
        "FLOORLINE_WAREHOUSE__LOCK_WAIT",
        "FLOORLINE_BASKETS",
        "FLOORLINE_CONFIG",
        "FLOORLINE_ALERTS__NOTIFY",
        "FLOORLINE_BASKETS__CORE__ITEMS",
        "FLOORLINE_UNKNOWN",
    ],
)
def test_empty_variable_is_unset(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert load(monkeypatch, {name: ""}) == load(monkeypatch, {})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param('["json://a/x,y", "env:B"]', ("json://a/x,y", "env:B"), id="guard: JSON"),
        pytest.param("json://a/x , env:B", ("json://a/x", "env:B"), id="new: commas"),
        pytest.param("env:B", ("env:B",), id="new: one entry"),
        pytest.param("[]", (), id="guard: empty list"),
    ],
)
def test_list_is_json_or_has_commas(
    monkeypatch: pytest.MonkeyPatch, value: str, expected: tuple[str, ...]
) -> None:
    assert load(monkeypatch, {"FLOORLINE_ALERTS__NOTIFY": value}).alerts.notify == expected


def test_baskets_of_the_environment_are_changed_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    baskets = '[{"name": "only", "source": "cs2cap", "items": [1]}]'
    variables = {"FLOORLINE_BASKETS": baskets, "FLOORLINE_BASKETS__ONLY__EVERY": "2h"}
    (basket,) = load(monkeypatch, variables).baskets
    assert (basket.name, basket.every.total_seconds()) == ("only", 7200)


def test_basket_is_changed_by_its_name_or_number(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(
        monkeypatch,
        {
            "FLOORLINE_BASKETS__CORE__PROVIDERS": "steam, buff163",
            "FLOORLINE_BASKETS__CORE__EVERY": "1h",
            "FLOORLINE_BASKETS__1__CURRENCIES": '["EUR"]',
            "FLOORLINE_BASKETS__1__BIDS": "true",
            "FLOORLINE_SOURCES__MINE__TIER": "pro",
        },
    )
    first, second = settings.baskets
    assert (first.providers, first.every.total_seconds()) == (("steam", "buff163"), 3600)
    assert (second.currencies, second.bids, second.providers) == (("EUR",), True, ("steam",))
    assert settings.sources["Mine"].tier == "pro"

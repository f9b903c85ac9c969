"""The effective configuration, as TOML and as JSON Schema: complete, valid, and without secrets."""

from __future__ import annotations

import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.config import Settings, parse_settings
from pipelines.config.effective import describe_settings, render_settings
from pipelines.config.schema import configuration_schema
from pipelines.config.values import format_exactly

ROOT = Path(__file__).parents[3]
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20).filter(
    lambda text: text.strip() and text[0] not in "-~" and text != "."
)
BASKET = {"name": "core", "source": "cs2cap", "items": ["AK-47 | Redline (Field-Tested)"]}
SOURCES: dict[str, Any] = {"cs2cap": {}, "shark": {"kind": "skinshark", "include_fees": True}}


def load(**tables: Any) -> Settings:
    return parse_settings({"sources": SOURCES, "baskets": [BASKET], **tables}, Path("/srv"))


def read_again(settings: Settings) -> Settings:
    return parse_settings(tomllib.loads(render_settings(settings)), settings.base)


@given(
    items=st.lists(st.one_of(TEXT, st.integers(1, 10**9)), min_size=1, max_size=3),
    path=TEXT,
    every=st.integers(10, 10**9),
    least_free=st.integers(1, 10**15),
)
def test_shown_configuration_is_the_same_configuration(
    items: list[str | int], path: str, every: int, least_free: int
) -> None:
    settings = load(
        warehouse={"path": path, "least_free": least_free},
        baskets=[{**BASKET, "items": items, "every": f"{every}s"}],
    )
    assert read_again(settings) == settings


@given(
    st.timedeltas(timedelta(), timedelta(days=36_500)).map(
        lambda t: timedelta(seconds=int(t.total_seconds()))
    )
)
def test_duration_is_written_exactly(length: timedelta) -> None:
    baskets = [{**BASKET, "fresh": format_exactly(length)}]
    assert load(baskets=baskets).baskets[0].fresh == length


@pytest.mark.parametrize(("text", "shown"), [("90s", "90s"), ("60 min", "1h"), ("1w", "7d"), ("0s", "0s")])
def test_duration_is_written_in_its_largest_unit(text: str, shown: str) -> None:
    assert f'fresh = "{shown}"\n' in render_settings(load(baskets=[{**BASKET, "fresh": text}]))


def test_values_say_where_they_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOORLINE_BASKETS__CORE__EVERY", "1h")
    shown = render_settings(load())
    assert 'every = "1h" # from FLOORLINE_BASKETS__CORE__EVERY\n' in shown
    assert 'timezone = "UTC" # default\n' in shown
    assert 'source = "cs2cap"\n' in shown
    assert '\n[sources.shark]\nkind = "skinshark"\n' in shown
    assert 'path = "data" # /srv/data\n' in shown


def test_secrets_are_not_shown() -> None:
    receivers = ["slack://tokenA/tokenB", "json://user:pass@host/a?key=secret", "env:URL", "block:slack/ops"]
    settings = load(alerts={"notify": receivers})
    for shown in (render_settings(settings), str(describe_settings(settings))):
        assert not re.search("token|pass|secret|user", shown)
        assert "slack://***" in shown
        assert "block:slack/ops" in shown


SCHEMA = configuration_schema()
validator = jsonschema.Draft202012Validator(SCHEMA)


def test_schema_is_a_schema_and_has_a_description_of_each_key() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for name, table in SCHEMA["$defs"].items():
        for key, value in table["properties"].items():
            assert value.get("description"), f"{name}: {key}"
    assert SCHEMA["$defs"]["BasketSettings"]["properties"]["every"]["default"] == "10m"


TOML = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
BLOCKS = [
    block for text in (document.read_text("utf-8") for document in DOCUMENTS) for block in TOML.findall(text)
]


@pytest.mark.parametrize("text", [(ROOT / "floorline.example.toml").read_text("utf-8"), *BLOCKS])
def test_schema_accepts_what_floorline_accepts(text: str) -> None:
    validator.validate(tomllib.loads(text))


def test_schema_accepts_every_form() -> None:
    one = {"source": "cs2cap", "items": "all", "providers": "steam", "currencies": "USD", "every": "10 min"}
    tables = {"sources": SOURCES, "baskets": {"core": one}, "alerts": {"notify": "env:URL"}}
    parse_settings(tables, Path())
    validator.validate(tables)
    validator.validate(describe_settings(load()) | {"warehouse": {"least_free": 1000}})


@pytest.mark.parametrize(
    "tables",
    [
        {"warehouses": {}},
        {"warehouse": {"pth": "data"}},
        {"sources": {"cs2cap": {"tier": "gold"}}},
        {"sources": {"cs2cap": {"concurrency": 65}}},
        {"baskets": [{"name": "core", "source": "cs2cap"}]},
        {"baskets": [{**BASKET, "items": []}]},
        {"baskets": [{**BASKET, "every": 600}]},
        {"baskets": {"core": {"source": "cs2cap"}}},
        {"base": "/srv"},
    ],
)
def test_schema_refuses_what_floorline_refuses(tables: dict[str, Any]) -> None:
    assert not validator.is_valid(tables)

"""The configuration: floorline.toml, the environment, their precedence, and error messages."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from common.errors import ConfigError
from pipelines.config import BasketSettings, Settings, load_settings
from pipelines.item_files import expand_items

GOOD = """\
[warehouse]
path = "data"
keep_landings = "2d"

[sources.cs2cap]
base_url = "https://api.example.com"

[sources.mine]
kind = "cs2cap"
key = "file:keys/mine"

[[baskets]]
name = "core"
source = "cs2cap"
items = ["AK-47 | Redline (Field-Tested)", 4994, "file:items.txt"]
every = "10m"
fresh = "90s"

[[baskets]]
name = "other"
source = "mine"
items = ["all"]
"""


@pytest.fixture(autouse=True)
def empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Work in an empty folder, without the variables of the developer's environment."""
    for name in ("FLOORLINE_CONFIG", "FLOORLINE_WAREHOUSE__PATH", "FLOORLINE_BASKETS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def write_config(text: str = GOOD, name: str = "floorline.toml") -> Path:
    path = Path(name).resolve()
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def load_error(text: str) -> str:
    """Return the one-line error of a wrong configuration."""
    path = write_config(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_file_sets_values_and_the_rest_has_defaults() -> None:
    settings = load_settings(write_config())
    core, other = settings.baskets
    assert (core.every, core.fresh) == (timedelta(minutes=10), timedelta(seconds=90))
    assert (core.providers, core.currencies) == (("all",), ("USD",))
    assert settings.warehouse.keep_landings == timedelta(days=2)
    assert settings.sources["cs2cap"].key == "env:CS2C_API_KEY"
    assert (settings.sources["mine"].kind, other.source) == ("cs2cap", "mine")


def test_relative_path_starts_at_the_folder_of_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_config(name="there/floorline.toml")
    monkeypatch.chdir("/")
    assert load_settings(path).root == tmp_path / "there" / "data"


@pytest.mark.parametrize("path", ["/elsewhere", "~/floorline"])
def test_absolute_path_and_home_folder_are_used_as_they_are(path: str) -> None:
    settings = load_settings(write_config(GOOD.replace('"data"', f'"{path}"')))
    assert settings.root == Path(path).expanduser()


def test_configuration_is_found_by_argument_environment_or_working_directory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_config(GOOD.replace("core", "here"))
    assert load_settings().baskets[0].name == "here"
    monkeypatch.setenv("FLOORLINE_CONFIG", str(write_config(GOOD.replace("core", "there"), "other.toml")))
    assert load_settings().baskets[0].name == "there"
    assert load_settings(Path("floorline.toml")).baskets[0].name == "here"


def test_environment_overrides_any_key_of_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {
        "FLOORLINE_WAREHOUSE__PATH": "elsewhere",
        "FLOORLINE_WAREHOUSE__LOCK_WAIT": "5s",
        "FLOORLINE_WAREHOUSE__LEAST_FREE": "1GB",
        "FLOORLINE_SOURCES__CS2CAP__BASE_URL": "https://other.example.com",
        "FLOORLINE_SOURCES__CS2CAP__CONCURRENCY": "3",
    }.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(write_config())
    assert settings.root == tmp_path / "elsewhere"
    assert settings.warehouse.lock_wait == timedelta(seconds=5)
    assert settings.warehouse.least_free == 10**9
    assert settings.warehouse.keep_landings == timedelta(days=2)  # from the file
    source = settings.sources["cs2cap"]
    assert (source.base_url, source.concurrency) == ("https://other.example.com", 3)
    assert settings.sources["mine"].key == "file:keys/mine"


def test_environment_sets_baskets_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOORLINE_BASKETS", '[{"name": "only", "source": "cs2cap", "items": [1]}]')
    assert [basket.name for basket in load_settings(write_config()).baskets] == ["only"]
    monkeypatch.setenv("FLOORLINE_BASKETS", "[oops")
    assert "baskets" in load_error(GOOD)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"data"', '"data'), "line 2"),
        (("[warehouse]", "[warehouse"), "line 1"),
        (('"data"', r'"\x1b"'), "in 'single quotation marks' a backslash is text"),
        (('"data"', r'"\u12"'), "in 'single quotation marks' a backslash is text"),
        (("keep_landings", "keep_landing"), "line 3: [warehouse] keep_landing is no key"),
        (("[warehouse]", "[warehose]"), "line 1: [warehose] is no table"),
        (('"2d"', '"2 fortnights"'), "line 3: [warehouse] keep_landings is no duration"),
        (("every", "evry"), "line 16: basket core: evry is no key of a basket"),
        (
            ('source = "cs2cap"', 'source = "cs2"'),
            "source names no source: the configuration has cs2cap, mine; did you mean cs2cap?",
        ),
        (
            ('name = "other"', 'name = "core"'),
            "line 20: basket core: name is the name of another basket, too",
        ),
        (('name = "other"', 'name = "../core"'), "line 20: basket ../core: name must be a name"),
        (('kind = "cs2cap"', ""), "line 8: source mine: kind must be"),
        (
            ('kind = "cs2cap"', 'kind = "cs2cap"\nconcurrency = 0'),
            "line 10: source mine: concurrency must be at least 1",
        ),
        (('items = ["all"]', "items = []"), "line 22: basket other: items is empty"),
        (("[warehouse]", 'base = "x"\n[warehouse]'), "base"),
        (("[warehouse]", "sources = 3\n[warehouse]"), "line"),
        (("[sources.cs2cap]", "[bargains]"), "bargains"),
    ],
)
def test_error_names_the_wrong_key_or_line(change: tuple[str, str], message: str) -> None:
    assert message in load_error(GOOD.replace(*change))


@pytest.mark.parametrize("text", ["sources = 3", "baskets = 3", "warehouse = []", 'sources = {cs2cap = "x"}'])
def test_error_names_a_key_that_must_be_a_table(text: str) -> None:
    assert text.split(maxsplit=1)[0] in load_error(text)


def test_error_does_not_repeat_a_misplaced_secret() -> None:
    message = load_error(GOOD.replace("file:keys/mine", "cs2c_live_secret_000001"))
    assert "line 10 has an API key" in message
    assert "secret" not in message


def test_missing_configuration_is_reported() -> None:
    with pytest.raises(ConfigError, match=r"there is no configuration at floorline\.toml"):
        load_settings()


def test_configuration_that_is_not_text_is_reported() -> None:
    Path("floorline.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"floorline\.toml cannot be read"):
        load_settings()


def test_items_file_is_expanded_without_comments() -> None:
    Path("items.txt").write_text("# knives\n\n  ★ Karambit | *  \n   # not this\n4994\n", "utf-8")
    settings = load_settings(write_config())
    expected = ("AK-47 | Redline (Field-Tested)", 4994, "★ Karambit | *", "4994")
    assert expand_items(settings.baskets[0], settings.base) == expected


def test_missing_items_file_is_reported() -> None:
    settings = load_settings(write_config())
    with pytest.raises(ConfigError, match=r"basket core: .*items\.txt cannot be read"):
        expand_items(settings.baskets[0], settings.base)


def test_baskets_are_selected_by_name_each_once() -> None:
    settings = load_settings(write_config())
    assert [b.name for b in settings.select_baskets(())] == ["core", "other"]
    assert [b.name for b in settings.select_baskets(("other", "core", "other"))] == ["other", "core"]
    with pytest.raises(ConfigError, match="no basket is called cor; the configuration has core, other"):
        settings.select_baskets(("cor",))
    with pytest.raises(ConfigError, match="no basket is configured"):
        Settings().select_baskets(())


def test_basket_needs_only_name_source_and_items() -> None:
    basket = BasketSettings(name="a", source="b", items=("all",))
    assert (basket.every, basket.fresh) == (timedelta(minutes=10), timedelta(minutes=5))

"""The configuration: what floorline.toml and the environment say, who wins, and what is wrong with it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from common.errors import ConfigError
from pipelines.config import BasketSettings, Settings, expand_items, load_settings

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
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Work in an empty folder, without what the environment of the developer sets."""
    for name in ("FLOORLINE_CONFIG", "FLOORLINE_WAREHOUSE__PATH", "FLOORLINE_BASKETS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def written(text: str = GOOD, name: str = "floorline.toml") -> Path:
    path = Path(name).resolve()
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def refused(text: str) -> str:
    """What is told about a configuration that is wrong, on one line."""
    path = written(text)
    with pytest.raises(ConfigError) as told:
        load_settings(path)
    assert "\n" not in str(told.value)
    return str(told.value)


def test_what_the_file_says() -> None:
    settings = load_settings(written())
    core, other = settings.baskets
    assert (core.every, core.fresh) == (timedelta(minutes=10), timedelta(seconds=90))
    assert (core.providers, core.currencies) == (("all",), ("USD",))
    assert settings.warehouse.keep_landings == timedelta(days=2)
    assert settings.sources["cs2cap"].key == "env:CS2C_API_KEY"
    assert (settings.sources["mine"].kind, other.source) == ("cs2cap", "mine")


def test_relative_paths_start_from_the_folder_of_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(name="there/floorline.toml")
    monkeypatch.chdir("/")
    assert load_settings(path).root == tmp_path / "there" / "data"


@pytest.mark.parametrize("path", ["/elsewhere", "~/floorline"])
def test_absolute_paths_and_the_home_folder_stand(path: str) -> None:
    settings = load_settings(written(GOOD.replace('"data"', f'"{path}"')))
    assert settings.root == Path(path).expanduser()


def test_it_is_found_in_this_folder_or_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    written(GOOD.replace("core", "here"))
    assert load_settings().baskets[0].name == "here"
    monkeypatch.setenv("FLOORLINE_CONFIG", str(written(GOOD.replace("core", "there"), "other.toml")))
    assert load_settings().baskets[0].name == "there"
    assert load_settings(Path("floorline.toml")).baskets[0].name == "here"


def test_every_key_of_it_can_be_given_by_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in {
        "FLOORLINE_WAREHOUSE__PATH": "elsewhere",
        "FLOORLINE_WAREHOUSE__LOCK_WAIT": "5s",
        "FLOORLINE_WAREHOUSE__LEAST_FREE": "1GB",
        "FLOORLINE_SOURCES__CS2CAP__BASE_URL": "https://other.example.com",
        "FLOORLINE_SOURCES__CS2CAP__CONCURRENCY": "3",
    }.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(written())
    assert settings.root == tmp_path / "elsewhere"
    assert settings.warehouse.lock_wait == timedelta(seconds=5)
    assert settings.warehouse.least_free == 10**9
    assert settings.warehouse.keep_landings == timedelta(days=2)  # the file's, beside them
    source = settings.sources["cs2cap"]
    assert (source.base_url, source.concurrency) == ("https://other.example.com", 3)
    assert settings.sources["mine"].key == "file:keys/mine"


def test_baskets_can_be_given_by_the_environment_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOORLINE_BASKETS", '[{"name": "only", "source": "cs2cap", "items": [1]}]')
    assert [basket.name for basket in load_settings(written()).baskets] == ["only"]
    monkeypatch.setenv("FLOORLINE_BASKETS", "[oops")
    assert "baskets" in refused(GOOD)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('"data"', '"data'), "line 2"),
        (("[warehouse]", "[warehouse"), "line 1"),
        (("keep_landings", "keep_landing"), "warehouse.keep_landing: Extra inputs"),
        (("[warehouse]", "[warehose]"), "warehose: Extra inputs"),
        (('"2d"', '"2 fortnights"'), "warehouse.keep_landings"),
        (("every", "evry"), "baskets.0.evry: Extra inputs"),
        (('source = "cs2cap"', 'source = "cs2"'), "core names the source cs2; there is cs2cap, mine"),
        (('name = "other"', 'name = "core"'), "two baskets are called core"),
        (('name = "other"', 'name = "../core"'), "baskets.1.name"),
        (('kind = "cs2cap"', ""), "sources.mine.kind"),
        (('kind = "cs2cap"', 'kind = "cs2cap"\nconcurrency = 0'), "sources.mine.concurrency"),
        (('items = ["all"]', "items = []"), "baskets.1.items"),
        (("[warehouse]", 'base = "x"\n[warehouse]'), "base"),
        (("[warehouse]", "sources = 3\n[warehouse]"), "line"),
        (("[sources.cs2cap]", "[bargains]"), "bargains"),
    ],
)
def test_what_is_wrong_is_named(change: tuple[str, str], told: str) -> None:
    assert told in refused(GOOD.replace(*change))


@pytest.mark.parametrize("text", ["sources = 3", "baskets = 3", "warehouse = []", 'sources = {cs2cap = "x"}'])
def test_what_is_no_table_is_named(text: str) -> None:
    assert text.split(maxsplit=1)[0] in refused(text)


def test_a_key_in_the_wrong_place_is_not_repeated() -> None:
    told = refused(GOOD.replace("file:keys/mine", "cs2c_live_secret_000001"))
    assert "sources.mine.key" in told
    assert "secret" not in told


def test_no_configuration_is_named() -> None:
    with pytest.raises(ConfigError, match=r"there is no configuration at floorline\.toml"):
        load_settings()


def test_a_configuration_that_is_no_text_is_named() -> None:
    Path("floorline.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"floorline\.toml cannot be read"):
        load_settings()


def test_items_of_a_file() -> None:
    Path("items.txt").write_text("# knives\n\n  ★ Karambit | *  \n   # not this\n4994\n", "utf-8")
    settings = load_settings(written())
    expected = ("AK-47 | Redline (Field-Tested)", 4994, "★ Karambit | *", "4994")
    assert expand_items(settings.baskets[0], settings.base) == expected


def test_a_file_of_items_that_is_not_there_is_named() -> None:
    settings = load_settings(written())
    with pytest.raises(ConfigError, match=r"basket core: .*items\.txt cannot be read"):
        expand_items(settings.baskets[0], settings.base)


def test_baskets_are_chosen_by_name_each_once() -> None:
    settings = load_settings(written())
    assert [b.name for b in settings.chosen(())] == ["core", "other"]
    assert [b.name for b in settings.chosen(("other", "core", "other"))] == ["other", "core"]
    with pytest.raises(ConfigError, match="no basket is called cor; the configuration has core, other"):
        settings.chosen(("cor",))
    with pytest.raises(ConfigError, match="no basket is configured"):
        Settings().chosen(())


def test_what_a_basket_needs() -> None:
    basket = BasketSettings(name="a", source="b", items=("all",))
    assert (basket.every, basket.fresh) == (timedelta(minutes=10), timedelta(minutes=5))

"""Selectors of items, providers and currencies, and the messages for unknown names."""

import fnmatch

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ConfigError
from common.shards import Item
from connectors.schemas import FX, PROVIDERS
from pipelines.planning.selectors import resolve_currencies, resolve_items, resolve_providers
from pipelines.planning.suggestions import compile_glob
from tests.support.catalogs import catalog_of_rows

DOPPLER = "★ Karambit | Doppler (Factory New)"
REDLINE = "AK-47 | Redline (Field-Tested)"
ODD = "Sticker | me @ you [100%] ?*"


CATALOG = catalog_of_rows(
    ("1", REDLINE, None),
    ("2", DOPPLER, None),
    ("3", DOPPLER, "Phase 1"),
    ("4", DOPPLER, "Ruby"),
    ("5", "★ Karambit | Fade (Factory New)", None),
    ("6", ODD, None),
    ("7", "ak-47 | redline", None),
    (None, "Music Kit | Nobody", None),
    ("9", "★ Bayonet | Doppler (Factory New)", "Sapphire"),
)


def ids(*selectors: str | int) -> list[str | None]:
    items = resolve_items(selectors, CATALOG)
    assert items is not None
    return [item.item_id for item in items]


@pytest.mark.parametrize("selector", [4, "4", " 4 "])
def test_id_selects_one_item(selector: str | int) -> None:
    assert resolve_items([selector], CATALOG) == (Item("4", DOPPLER, "Ruby"),)


def test_name_selects_the_entry_without_a_phase() -> None:
    assert ids(REDLINE, DOPPLER, f"  {REDLINE} ") == ["1", "2"]


def test_name_without_such_an_entry_is_requested_by_name() -> None:
    name = "★ Bayonet | Doppler (Factory New)"
    assert resolve_items([name], CATALOG) == (Item(None, name, None),)


def test_item_without_an_id_is_requested_by_name() -> None:
    assert ids("Music Kit | Nobody") == [None]


def test_at_sign_selects_one_phase_or_all() -> None:
    assert ids(f"{DOPPLER} @ Ruby") == ["4"]
    assert ids(f"{DOPPLER} @ *") == ["3", "4"]


def test_exact_name_comes_before_a_phase_or_a_glob() -> None:
    assert ids(ODD) == ["6"]


def test_glob_selects_phases_instead_of_their_aggregate() -> None:
    assert ids("* Karambit | *") == ["3", "4", "5"]
    assert ids("*Doppler*") == ["3", "4", "9"]
    assert ids("*") == ["1", "3", "4", "5", "6", "7", None, "9"]


def test_glob_is_case_sensitive_and_has_no_other_wildcards() -> None:
    assert ids("AK-47 |*") == ["1"]
    assert ids("Sticker | me @ you [100%] ?*") == ["6"]
    with pytest.raises(ConfigError, match="matches no item"):
        resolve_items(["Sticker | me @ you [1-9]*"], CATALOG)


@pytest.mark.parametrize("glob", ["*" * 1_000 + "x!", "*a" * 200 + "*!", "*?*" * 300])
def test_glob_of_many_asterisks_ends(glob: str) -> None:
    """New: it was tried in every way that it may match, for ever."""
    with pytest.raises(ConfigError, match="matches no item"):
        resolve_items([glob], catalog_of_rows(("1", "a" * 300, None)))


@given(st.lists(st.text("ab*?[", max_size=3), min_size=2, max_size=5), st.text("ab?[\n", max_size=12))
def test_glob_matches_as_fnmatch_does(parts: list[str], name: str) -> None:
    texts = "*".join(parts).split("*")
    literal = "*".join(text.replace("[", "[[]").replace("?", "[?]") for text in texts)
    assert (compile_glob(texts).fullmatch(name) is not None) == fnmatch.fnmatchcase(name, literal)


def test_selector_that_is_no_utf8_is_unknown() -> None:
    with pytest.raises(ConfigError, match="no item is called"):
        ids(REDLINE, "\ud800", "\\ud800 @ Ruby")


def test_duplicates_are_dropped_in_order() -> None:
    assert ids(5, 3, "5", f"{DOPPLER} @ *", "*Karambit*") == ["5", "3", "4"]


def test_all_selects_the_whole_catalog() -> None:
    assert resolve_items(["all"], CATALOG) is None


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        (["all", 4], '"all" must be the only entry'),
        ([], "no items are configured"),
        ([404], "no item has the id 404"),
        (["404"], "no item has the id 404"),
        (["AK-47 | Redlime (Field-Tested)"], f"did you mean {REDLINE!r}"),
        ([REDLINE.upper()], f"did you mean {REDLINE!r}"),
        (["zzzzzzzzzzzzzzzzzzzzzzzzz"], "no item is called 'zzzzzzzzzzzzzzzzzzzzzzzzz'$"),
        (["Glock*"], r"the glob 'Glock\*' matches no item"),
        ([f"{DOPPLER} @ Emerald"], "this item has Phase 1, Ruby"),
        ([f"{REDLINE} @ Ruby"], "this item has none"),
        ([f"{REDLINE} @ *"], "this item has none"),
        ([1, "x" * 40, 405], "'xxx.*; no item has the id 405"),
    ],
)
def test_unknown_item_is_reported_with_the_nearest_name(selector: list[str | int], message: str) -> None:
    with pytest.raises(
        ConfigError, match=message.replace("(", r"\(").replace(")", r"\)").replace("|", r"\|")
    ):
        resolve_items(selector, CATALOG)


NAMES = st.text(alphabet="aB*@ |★", min_size=1, max_size=8).filter(
    lambda name: name == name.strip() != "" and name != "all" and not name.isdecimal()
)


@given(st.lists(NAMES, min_size=1, unique=True))
def test_each_name_selects_its_own_entry(names: list[str]) -> None:
    items = resolve_items(names, catalog_of_rows(*((str(at), name, None) for at, name in enumerate(names))))
    assert items is not None
    assert [item.market_hash_name for item in items] == names


@given(NAMES, st.lists(NAMES, min_size=1, unique=True))
def test_glob_selects_names_with_its_prefix(glob: str, names: list[str]) -> None:
    pattern = glob + "*"
    expected = [pattern] if pattern in names else [name for name in names if name.startswith(glob)]
    if "*" in glob:
        return
    frame = catalog_of_rows(*((str(at), name, None) for at, name in enumerate(names)))
    try:
        items = resolve_items([pattern], frame)
    except ConfigError:
        items = ()
    assert items is not None
    assert [item.market_hash_name for item in items] == expected


MARKETS = pl.DataFrame(
    {
        "provider": ["steam", "buff163", "csfloat"],
        "name": ["Steam Community Market", "Buff163", None],
        **{name: [None] * 3 for name in PROVIDERS if name not in {"provider", "name"}},
    },
    schema=PROVIDERS,
)
RATES = pl.DataFrame({"currency": ["USD", "EUR", "BTC"], "rate": [None] * 3, "moment": [None] * 3}, schema=FX)


def test_providers_are_resolved_in_order() -> None:
    assert resolve_providers(["all"], MARKETS) == ("steam", "buff163", "csfloat")
    assert resolve_providers(["csfloat", "steam", " csfloat"], MARKETS) == ("csfloat", "steam")


@pytest.mark.parametrize("name", ["Steam Community Market", "steam community  market", "STEAM", " steam "])
def test_provider_is_selected_by_its_key_or_name_in_any_case(name: str) -> None:
    assert resolve_providers([name, "BUFF163"], MARKETS) == ("steam", "buff163")


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        (["buff"], "no provider is called 'buff'; did you mean 'buff163'"),
        (["steem"], "did you mean 'steam'"),
        (["steam", "all"], "no provider is called 'all'"),
        ([], "no provider is configured"),
    ],
)
def test_unknown_provider_is_reported_with_the_nearest_key(selector: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve_providers(selector, MARKETS)


def test_currencies_are_upper_cased() -> None:
    assert resolve_currencies(["usd", "Eur", "EUR"], RATES) == ("USD", "EUR")
    assert resolve_currencies(["usd"], None) == ("USD",)


@pytest.mark.parametrize(("selector", "near"), [("EURO", "EUR"), ("XBTC", "BTC")])
def test_unknown_currency_is_reported_with_the_nearest_code(selector: str, near: str) -> None:
    with pytest.raises(ConfigError, match=f"no currency is called '{selector}'; did you mean '{near}'"):
        resolve_currencies([selector], RATES)

"""Items found by words and abbreviations; no other item takes the place of a missing one."""

from __future__ import annotations

import re
from typing import Final

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ConfigError
from common.shards import Item
from pipelines.planning.item_search import ItemSearch
from pipelines.planning.selectors import resolve_items
from sandbox.market.catalog import build_catalog
from tests.support.catalogs import catalog_of_names, catalog_of_rows

REDLINE: Final = "AK-47 | Redline (Field-Tested)"
NAMES: Final = (
    REDLINE,
    f"StatTrak™ {REDLINE}",
    f"Souvenir {REDLINE}",
    "AK-47 | Redline (Minimal Wear)",
    "AK-47 | Red Laminate (Field-Tested)",
    "Desert Eagle | Blaze (Factory New)",
    "M4A1-S | Hyper Beast (Well-Worn)",
    "P250 | Phase (Battle-Scarred)",
    "SSG 08 | Dragonfire (Factory New)",
    "Sticker | fnatic | Cologne 2016",
    "★ Butterfly Knife | Fade (Factory New)",
    "★ Butterfly Knife | Marble Fade (Factory New)",
    "★ Sport Gloves | Vice (Field-Tested)",
    "★ StatTrak™ Bayonet",
)
SHORTHAND: Final = {
    "fn": "(Factory New)", "mw": "(Minimal Wear)", "ft": "(Field-Tested)", "ww": "(Well-Worn)",
    "bs": "(Battle-Scarred)", "st": "StatTrak™", "sv": "Souvenir",
}  # fmt: skip
CATALOG: Final = build_catalog(1000, 1)
UNPHASED: Final = sorted({item.name for item in CATALOG.items if item.phase is None})


def search(*names: str) -> ItemSearch:
    return ItemSearch.of_catalog(catalog_of_names(*(names or NAMES)))


def resolve(text: str) -> str | None:
    item = search().resolve(text)
    return None if item is None else item.label


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ak redline ft", REDLINE),
        ("FT AK Redline", REDLINE),
        ("ak47 redline field tested", REDLINE),
        ("ak-47 redline fieldtested", REDLINE),
        ("st ak redline ft", f"StatTrak™ {REDLINE}"),
        ("stattrak™ ak redline ft", f"StatTrak™ {REDLINE}"),
        ("sv ak redline ft", f"Souvenir {REDLINE}"),
        ("souv ak redline ft", f"Souvenir {REDLINE}"),
        ("ak redline mw", "AK-47 | Redline (Minimal Wear)"),
        ("deagle blaze fn", "Desert Eagle | Blaze (Factory New)"),
        ("m4a1s hyper beast ww", "M4A1-S | Hyper Beast (Well-Worn)"),
        ("p250 phase bs", "P250 | Phase (Battle-Scarred)"),
        ("scout dragonfire factorynew", "SSG 08 | Dragonfire (Factory New)"),
        ("butterfly fade fn", "★ Butterfly Knife | Fade (Factory New)"),
        ("bfk marble fade fn", "★ Butterfly Knife | Marble Fade (Factory New)"),
        ("sport vice ft", "★ Sport Gloves | Vice (Field-Tested)"),
        ("st bayonet", "★ StatTrak™ Bayonet"),
    ],
)
def test_abbreviations_of_traders(text: str, name: str) -> None:
    assert resolve(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "ak redline",  # of several wears
        "ak red ft",  # the beginning of a word is not the word
        "bayonet",  # StatTrak is not said
        "fn 2016",  # fn is a wear, and not the beginning of fnatic
        "p2 bs",  # p2 may be Phase 2, or the beginning of P250
        "★",
        "",
        "-",
    ],
)
def test_what_does_not_say_all_words_of_one_item_selects_nothing(text: str) -> None:
    assert resolve(text) is None


def test_found_items_begin_with_those_of_which_most_is_said() -> None:
    labels = [item.label for item in search(*reversed(NAMES)).find("ak redline")]
    assert labels == [REDLINE, NAMES[3], NAMES[2], NAMES[1]]


def test_phases_and_the_aggregate_of_an_item_without_an_entry_of_its_own() -> None:
    name = "★ Karambit | Doppler (Factory New)"
    catalog = catalog_of_rows(("3", name, "Phase 2"), ("4", name, "Ruby"))
    assert ItemSearch.of_catalog(catalog).resolve("karambit doppler fn") == Item(None, name, None)
    assert ItemSearch.of_catalog(catalog).resolve("karambit doppler fn p2") == Item("3", name, "Phase 2")
    assert ItemSearch.of_catalog(catalog).resolve("ruby karambit doppler fn") == Item("4", name, "Ruby")


def abbreviated(name: str) -> str:
    """Return a name as a trader types it: `st`, `sv` and the wear in two letters, and no punctuation."""
    for short, long in SHORTHAND.items():
        name = name.replace(long, short)
    return re.sub(r"[★|()]", " ", name).lower()


@given(st.sampled_from(UNPHASED))
def test_every_name_is_found_by_its_abbreviation(name: str) -> None:
    words = abbreviated(name)
    found = WHOLE.find(words)
    assert name in [item.market_hash_name for item in found if item.phase is None]
    assert WHOLE.resolve(words) in {None, Item(found[0].item_id, name, None)}


@pytest.mark.slow
@given(st.sampled_from(UNPHASED))
def test_no_other_item_is_chosen_while_the_catalog_lacks_the_item(name: str) -> None:
    others = ItemSearch.of_catalog(catalog_of_names(*(other for other in UNPHASED if other != name)))
    chosen = others.resolve(abbreviated(name))
    assert chosen is None or abbreviated(chosen.label).split() == abbreviated(name).split()


WHOLE: Final = ItemSearch([(str(item.item_id), item.name, item.phase) for item in CATALOG.items])


def selected(*selectors: str) -> list[str]:
    items = resolve_items(selectors, catalog_of_names(*NAMES))
    assert items is not None
    return [item.label for item in items]


def explanation(selector: str, catalog: pl.DataFrame | None = None) -> str:
    with pytest.raises(ConfigError) as error:
        resolve_items([selector], catalog_of_names(*NAMES) if catalog is None else catalog)
    return error.value.detail


def test_words_select_an_item_of_a_basket() -> None:
    assert selected("ak redline ft", "★ Butterfly*", REDLINE) == [REDLINE, *NAMES[10:12]]


def test_words_of_several_items_ask_which_one() -> None:
    names = "'AK-47 | Redline (Field-Tested)', 'AK-47 | Redline (Minimal Wear)' or"
    assert explanation("ak redline") == (
        f"no item is called 'ak redline'; did you mean {names} 'StatTrak™ AK-47 | Redline (Field-Tested)'?"
        " `floorline items search 'ak redline'` shows all 4"
    )
    assert explanation("hyper beast") == (
        "no item is called 'hyper beast'; did you mean 'M4A1-S | Hyper Beast (Well-Worn)'?"
    )


@pytest.mark.parametrize("selector", ["AK-47 | Redline", "AK-47 Redline (Field-Tested)", "★ Sport Vice ft"])
def test_what_is_written_as_a_name_is_no_search(selector: str) -> None:
    assert "did you mean" in explanation(selector)


def test_name_that_differs_in_what_eyes_miss_is_not_chosen() -> None:
    assert "a blank less" in explanation("Chroma  Case", catalog_of_names("Chroma Case"))
    assert "U+0020" not in explanation("chroma case", catalog_of_names("Chroma Case"))

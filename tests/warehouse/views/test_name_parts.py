"""`item_names` tells the parts of a name, and a text to search; `activity` counts runs by the hour."""

from pathlib import Path

import polars as pl
import pytest

from connectors.schemas import ITEMS
from tests.support.asks_model import records, rows_of
from tests.support.warehouse import Quote, land, load_into_memory, minute, observe, run_header
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths

FT = "Field-Tested"
NAMES = {
    "AK-47 | Redline (Field-Tested)":
        ("AK-47 | Redline", FT, False, False, "ak 47 redline field tested"),
    "StatTrak™ AK-47 | Redline (Field-Tested)":
        ("AK-47 | Redline", FT, True, False, "stattrak ak 47 redline field tested"),
    "Souvenir AWP | Acheron (Field-Tested)":
        ("AWP | Acheron", FT, False, True, "souvenir awp acheron field tested"),
    "★ StatTrak™ Karambit | Doppler (Factory New)":
        ("★ Karambit | Doppler", "Factory New", True, False, "stattrak karambit doppler factory new"),
    "★ Karambit":
        ("★ Karambit", None, False, False, "karambit"),
    "M4A4 | 龍王 (Dragon King) (Well-Worn)":
        ("M4A4 | 龍王 (Dragon King)", "Well-Worn", False, False, "m4a4 龍王 dragon king well worn"),
    "Sticker | Señor (Holo) | Köln 2015":
        ("Sticker | Señor (Holo) | Köln 2015", None, False, False, "sticker senor holo koln 2015"),
    "Cologne 2016 Mirage Souvenir Package":
        ("Cologne 2016 Mirage Souvenir Package", None, False, False, "cologne 2016 mirage souvenir package"),
    "Souvenir Charm | Austin 2025":
        ("Souvenir Charm | Austin 2025", None, False, False, "souvenir charm austin 2025"),
    "StatTrak™ Music Kit | Beartooth":
        ("Music Kit | Beartooth", None, True, False, "stattrak music kit beartooth"),
}  # fmt: skip


@pytest.fixture
def paths(tmp_path: Path) -> WarehousePaths:
    return WarehousePaths(tmp_path)


def test_names_have_a_family_wear_marks_and_a_folded_text(paths: WarehousePaths) -> None:
    quotes = [Quote(str(number), name=name) for number, name in enumerate(NAMES)]
    db = load_into_memory([land(paths, "run", observe(minute(0), *quotes))])
    columns = "item, family, wear, stattrak, souvenir, search_text"
    assert {row[0]: row[1:] for row in rows_of(db, f"SELECT {columns} FROM item_names")} == NAMES


def test_phases_are_items_of_one_family_and_sources_share_a_row(paths: WarehousePaths) -> None:
    knife = "★ Karambit | Doppler (Factory New)"
    quotes = [Quote("1", name=knife, phase=phase) for phase in (None, "Ruby")]
    runs = [land(paths, source, observe(minute(0), *quotes), source=source) for source in ("cs2cap", "other")]
    rows = records(load_into_memory(runs), "FROM item_names ORDER BY item")
    assert [(row["item"], row["phase"], row["family"], row["aggregate"]) for row in rows] == [
        (knife, None, "★ Karambit | Doppler", True),
        (f"{knife} @ Ruby", "Ruby", "★ Karambit | Doppler", False),
    ]
    assert rows[1]["search_text"] == "karambit doppler factory new ruby"


def test_source_says_what_a_name_leaves_open(paths: WarehousePaths) -> None:
    name = "Souvenir Charm | Austin 2025"
    item = {"item_id": "1", "market_hash_name": name, "is_souvenir": True}
    with LandingWriter(paths.landing, run_header("items", minute(-1))) as landing:
        landing.add_catalog("items", pl.DataFrame([item], schema=ITEMS, orient="row"))
        landing.finish("done")
    db = load_into_memory([landing.folder, land(paths, "run", observe(minute(0), Quote("1", name=name)))])
    assert rows_of(db, "SELECT family, souvenir FROM item_names") == [("Charm | Austin 2025", True)]


def test_activity_adds_up_the_runs_of_an_hour(paths: WarehousePaths) -> None:
    runs = [
        land(paths, "a", observe(minute(0), Quote("1"), Quote("2")), facts={"requests": 3}),
        land(paths, "b", observe(minute(59), Quote("1", 105), complete=False), state="incomplete"),
        land(paths, "c", observe(minute(60), Quote("2", 105))),
        land(paths, "d", observe(minute(61), Quote("2")), source="other"),
    ]
    rows = rows_of(
        load_into_memory(runs), "SELECT * EXCLUDE (hour), hour::VARCHAR FROM activity ORDER BY ALL"
    )
    assert rows == [
        ("cs2cap", 1, 0, 0, 1, 2, 1, "2026-06-01 13:00:00+00"),
        ("cs2cap", 2, 1, 3, 3, 3, 0, "2026-06-01 12:00:00+00"),
        ("other", 1, 0, 0, 1, 1, 0, "2026-06-01 13:00:00+00"),
    ]

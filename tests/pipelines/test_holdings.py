"""The file of holdings is read line by line; what is wrong is named with its line."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from common.errors import ConfigError
from pipelines.holdings import read_holdings
from warehouse.holdings import Holding


def write(folder: Path, text: str) -> Path:
    file = folder / "holdings.csv"
    file.write_text(text, "utf-8")
    return file


def test_lines_are_read_in_any_order_of_columns(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "# what I own\n"
        "Quantity,item,price,currency,date,bought_at\n"
        "\n"
        '2,"AK-47 | Redline (Field-Tested)",12.50,eur,2026-03-01,steam\n'
        "1, ★ Karambit | Doppler (Factory New) @ Ruby ,,,,\n"
        "3,AWP | Asiimov (Field-Tested)\n",
    )
    day = date(2026, 3, 1)
    assert read_holdings(file) == (
        Holding(4, "AK-47 | Redline (Field-Tested)", 2, "steam", Decimal("12.50"), "EUR", day),
        Holding(5, "★ Karambit | Doppler (Factory New) @ Ruby", 1, None, None, "USD", None),
        Holding(6, "AWP | Asiimov (Field-Tested)", 3, None, None, "USD", None),
    )


def test_file_of_a_spreadsheet_has_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "holdings.csv"
    file.write_bytes(b"\xef\xbb\xbfitem,quantity\r\nFracture Case,9\r\n")
    assert [holding.item for holding in read_holdings(file)] == ["Fracture Case"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "have no header: item, quantity, bought_at, price, currency, date"),
        ("item,count\n", "line 1 of the holdings .* has the unknown column 'count'; there is item"),
        ("item,price\n", "lacks the column quantity"),
        ("item,quantity,item\n", "has a column twice"),
        ("item,quantity\nAK,1,2\n", "line 2 .* has 3 cells, and the header has 2"),
        ("item,quantity\n,1\n", "names no item"),
        ("item,quantity\nAK,\n", "has '' as its quantity"),
        ("item,quantity\nAK,0\n", "has '0' as its quantity"),
        ("item,quantity\nAK,1.5\n", "has '1.5' as its quantity: write a whole number above 0"),
        ("item,quantity\nAK,99999999999999999999\n", "as its quantity"),
        ("item,quantity,price\nAK,1,12 €\n", "has '12 €' as its price: write a number such as 12.50"),
        ("item,quantity,price\nAK,1,NaN\n", "as its price"),
        ("item,quantity,price\nAK,1,-1\n", "as its price"),
        ("item,quantity,price\nAK,1,1e30\n", "as its price"),
        ("item,quantity,price\nAK,1,0.123456789\n", "as its price"),
        ("item,quantity,currency\nAK,1,euro dollars\n", "has 'EURO DOLLARS' as its currency"),
        ("item,quantity,date\nAK,1,1.3.2026\n", "has '1.3.2026' as its date: write it as 2026-10-20"),
        ('item,quantity\n"AK" x,1\n', "is no CSV: check its quotation marks"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        read_holdings(write(tmp_path, text))


def test_file_that_is_missing_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"{tmp_path}/none.csv cannot be read: No such file")):
        read_holdings(tmp_path / "none.csv")
    (tmp_path / "image.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="it is no text in UTF-8"):
        read_holdings(tmp_path / "image.csv")

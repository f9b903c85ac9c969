"""The file of holdings: a CSV file of what the user owns."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

from common.currencies import EXACT_CURRENCY
from common.errors import ConfigError
from common.files import read_user_file
from common.text import escape, quote, sanitize
from pipelines.config.fields import CURRENCY
from warehouse.holdings import Holding

COLUMNS: Final = ("item", "quantity", "bought_at", "price", "currency", "date")
NEEDED: Final = ("item", "quantity")
MOST: Final = 1_000_000_000  # copies in one line
PRICE_LIMIT: Final = Decimal(10) ** 12
MAX_PLACES: Final = 8


def read_holdings(path: Path) -> tuple[Holding, ...]:
    """Read a file of holdings: a header with the names of COLUMNS in any order, then a line a purchase.

    Only the item and the quantity are needed; no currency is USD. Raises ConfigError, which names the line.
    """
    try:
        lines = read_user_file(path).splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise ConfigError(f"the holdings {escape(str(path))} cannot be read: {reason}") from None
    rows = csv.reader(lines, strict=True)
    return tuple(_Reader(path).read(rows))


class _Reader:
    """Reads the rows of one file, and names the line of what is wrong."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._line = 0

    def read(self, rows: Iterator[list[str]]) -> Iterator[Holding]:
        header: list[str] | None = None
        try:
            for self._line, row in enumerate(rows, 1):
                cells = [cell.strip() for cell in row]
                if not any(cells) or cells[0].startswith("#"):
                    continue
                if header is None:
                    header = self._check_header([cell.lower() for cell in cells])
                elif len(cells) > len(header):
                    raise self._error(f"has {len(cells)} cells, and the header has {len(header)}")
                else:
                    yield self._build(dict(zip(header, cells, strict=False)))
        except csv.Error:
            raise self._error("is no CSV: check its quotation marks") from None
        if header is None:
            raise ConfigError(f"the holdings {escape(str(self._path))} have no header: {', '.join(COLUMNS)}")

    def _check_header(self, header: list[str]) -> list[str]:
        unknown = [name for name in header if name not in COLUMNS]
        if unknown:
            raise self._error(f"has the unknown column {quote(unknown[0])}; there is {', '.join(COLUMNS)}")
        if missing := [name for name in NEEDED if name not in header]:
            raise self._error(f"lacks the column {missing[0]}")
        if len({*header}) < len(header):
            raise self._error("has a column twice")
        return header

    def _build(self, cells: Mapping[str, str]) -> Holding:
        currency = (cells.get("currency") or EXACT_CURRENCY).upper()
        if not CURRENCY.fullmatch(currency):
            raise self._error(f"has {quote(currency)} as its currency: write a code such as EUR")
        if not cells["item"]:
            raise self._error("names no item")
        return Holding(
            line=self._line,
            item=cells["item"],
            quantity=self._read_quantity(cells.get("quantity", "")),
            bought_at=cells.get("bought_at") or None,
            price=self._read_price(cells.get("price", "")),
            currency=currency,
            bought_on=self._read_day(cells.get("date", "")),
        )

    def _read_quantity(self, text: str) -> int:
        if not (text.isascii() and text.isdigit() and 0 < int(text[:12]) <= MOST):
            raise self._error(f"has {quote(text)} as its quantity: write a whole number above 0")
        return int(text)

    def _read_price(self, text: str) -> Decimal | None:
        if not text:
            return None
        try:
            price = Decimal(text)
        except InvalidOperation:
            price = Decimal("NaN")
        if not (price.is_finite() and 0 <= price < PRICE_LIMIT and price == round(price, MAX_PLACES)):
            raise self._error(f"has {quote(text)} as its price: write a number such as 12.50")
        return round(price, MAX_PLACES)

    def _read_day(self, text: str) -> date | None:
        try:
            return date.fromisoformat(text) if text else None
        except ValueError:
            raise self._error(f"has {quote(text)} as its date: write it as 2026-10-20") from None

    def _error(self, problem: str) -> ConfigError:
        return ConfigError(f"line {self._line} of the holdings {sanitize(escape(str(self._path)))} {problem}")

"""Random values of every type of DuckDB as SQL; Python, not DuckDB, reads what is shown for them."""

from __future__ import annotations

import dataclasses
import math
import re
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

Reader = Callable[[str], Any]
INTERVAL = re.compile(
    r"(?:(-?\d+) years? ?)?(?:(-?\d+) months? ?)?(?:(-?\d+) days? ?)?"
    r"(?:(-?)(\d+):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?"
)
HOSTILE = (
    "[red]AK-47[/red] | Redline", ":smile: :warning:", "\x1b[31mred\x1b[0m", "two\nlines\tand a tab",
    "\u202ertl", "★ Karambit | 渐变大理石 (崭新出厂) @ Phase 2", "e\u0301te\u0301 2026-06-01 12:00:00",
    "x" * 300, "No. 16685.94 of 20",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class SqlValue:
    """A value as SQL, and the function that says whether a text is exactly this value.

    `text` is the whole text of a value that may be cut, and None for all others.
    """

    sql: str
    reads: Callable[[str], bool]
    text: str | None = None


def quote(text: str) -> str:
    """Return a text as SQL."""
    return "'" + text.replace("'", "''") + "'"


def exact(kind: str, values: st.SearchStrategy[Any], write: Callable[[Any], str], read: Reader) -> Any:
    """Return the strategy of the values of a type that are never cut."""
    return values.map(
        lambda value: SqlValue(f"{quote(write(value))}::{kind}", lambda shown: bool(read(shown) == value))
    )


def cuttable(kind: str, values: st.SearchStrategy[Any], text: Callable[[Any], str]) -> Any:
    """Return the strategy of the values of a type whose SQL is their text."""

    def value(drawn: Any) -> SqlValue:
        whole = text(drawn)
        return SqlValue(f"{quote(whole)}::{kind}", lambda shown: shown == whole, whole)

    return values.map(value)


def integers() -> list[Any]:
    """Return a strategy for each type of integer."""
    bits = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 128}
    bounds = {"BIGNUM": (-(10**60), 10**60)}
    for name, size in bits.items():
        bounds[name] = (-(2 ** (size - 1)), 2 ** (size - 1) - 1)
        bounds[f"U{name}"] = (0, 2**size - 1)
    return [exact(kind, st.integers(*limits), str, int) for kind, limits in bounds.items()]


def decimals(width: int, scale: int) -> Any:
    """Return the strategy of a type of decimals."""
    values = st.integers(1 - 10**width, 10**width - 1).map(lambda digits: Decimal(f"{digits}e-{scale}"))
    return exact(f"DECIMAL({width},{scale})", values, lambda value: f"{value:f}", _plain_decimal)


def _plain_decimal(text: str) -> Decimal | None:
    """Read a decimal; None for one in exponent notation."""
    return Decimal(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else None


def floats(kind: str, width: Any) -> Any:
    """Return the strategy of a type of binary numbers; NaN is equal to itself here."""

    def value(number: float) -> SqlValue:
        def reads(shown: str) -> bool:
            read = float(shown)
            same = struct.pack("d", read) == struct.pack("d", number)  # 0.0 is not -0.0
            return same or (math.isnan(read) and math.isnan(number))

        return SqlValue(f"{quote(repr(number))}::{kind}", reads)

    return st.floats(width=width).map(value)


def _interval(text: str) -> tuple[int, int, int]:
    """Read months, days and microseconds."""
    found = INTERVAL.fullmatch(text)
    assert found, text
    years, months, days, hours, minutes, seconds = (int(found[n] or 0) for n in (1, 2, 3, 5, 6, 7))
    micros = ((hours * 60 + minutes) * 60 + seconds) * 10**6 + int((found[8] or "").ljust(6, "0"))
    return years * 12 + months, days, -micros if found[4] else micros


def intervals() -> Any:
    """Return the strategy of intervals, which have months, days and microseconds."""
    parts = st.tuples(
        st.integers(-2400, 2400), st.integers(-9999, 9999), st.integers(-(10**12), 10**12)
    )  # fmt: skip
    return parts.map(
        lambda value: SqlValue(
            f"to_months({value[0]}) + to_days({value[1]}) + to_microseconds({value[2]})",
            lambda shown: _interval(shown) == value,
        )
    )


def times() -> list[Any]:
    """Return a strategy for each type of dates and times."""
    moments = st.datetimes()
    recent = st.datetimes(datetime.fromisoformat("1700-01-01"), datetime.fromisoformat("2200-01-01"))
    zones = st.integers(-15 * 60, 15 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
    aware = moments.map(lambda at: at.replace(tzinfo=UTC))
    return [
        exact("DATE", st.dates(), date.isoformat, date.fromisoformat),
        exact("TIME", st.times(), time.isoformat, time.fromisoformat),
        exact("TIMETZ", st.times(timezones=zones), time.isoformat, time.fromisoformat),
        exact("TIMESTAMP", moments, datetime.isoformat, datetime.fromisoformat),
        exact("TIMESTAMP_S", moments.map(lambda at: at.replace(microsecond=0)), str, datetime.fromisoformat),
        exact("TIME_NS", st.times(), time.isoformat, time.fromisoformat),
        exact("TIMESTAMP_MS", moments.map(_to_milliseconds), str, datetime.fromisoformat),
        exact("TIMESTAMP_NS", recent, datetime.isoformat, datetime.fromisoformat),
        exact("TIMESTAMPTZ", aware, datetime.isoformat, datetime.fromisoformat),
    ]


def _to_milliseconds(at: datetime) -> datetime:
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def texts() -> list[Any]:
    """Return strategies of texts and nested values, none empty and none with two spaces."""
    characters = st.characters(max_codepoint=0x10FF, exclude_categories=["Cs", "M"], exclude_characters="\0…")
    letters = st.text(characters).filter(_is_one_cell)
    numbers = st.lists(st.integers(-(10**9), 10**9), min_size=1)
    keys = st.text("abcxyz", min_size=1, max_size=5)
    return [
        cuttable("VARCHAR", st.sampled_from(HOSTILE) | letters, str),
        cuttable("ENUM('AK-47 | Redline', 'b')", st.sampled_from(["AK-47 | Redline", "b"]), str),
        cuttable("BLOB", st.lists(st.integers(128, 255), min_size=1), _blob),
        cuttable("VARCHAR::VARIANT", st.sampled_from(HOSTILE) | letters, str),
        cuttable("UNION(name VARCHAR)", st.sampled_from(HOSTILE) | letters, str),
        cuttable("JSON", st.integers(), str),
        cuttable("GEOMETRY", st.tuples(st.integers(-99, 99), st.integers(-99, 99)), _point),
        cuttable("INTEGER[]", numbers, str),
        cuttable("DECIMAL(18,2)[][]", numbers, lambda n: f"[[{', '.join(f'{x}.50' for x in n)}]]"),
        cuttable("INTEGER[2]", st.lists(st.integers(0, 9), min_size=2, max_size=2), str),
        cuttable('STRUCT(a INTEGER, "b c" INTEGER)', numbers, lambda n: str({"a": n[0], "b c": n[-1]})),
        cuttable(
            "MAP(VARCHAR, INTEGER)",
            st.dictionaries(keys, st.integers(0, 99), min_size=1),
            lambda value: "{" + ", ".join(f"{key}={number}" for key, number in value.items()) + "}",
        ),
    ]


def _point(value: tuple[int, int]) -> str:
    return f"POINT ({value[0]} {value[1]})"


def _blob(values: list[int]) -> str:
    return "".join(f"\\x{byte:02X}" for byte in values)


def _is_one_cell(text: str) -> bool:
    return bool(text) and "  " not in text and text == text.strip(" ")


KINDS: list[Any] = [
    *integers(),
    *(decimals(*size) for size in ((1, 0), (9, 2), (18, 8), (20, 8), (38, 18), (38, 38))),
    floats("DOUBLE", 64),
    floats("FLOAT", 32),
    intervals(),
    *times(),
    *texts(),
    exact("BOOLEAN", st.booleans(), str, lambda shown: {"true": True, "false": False}[shown]),
    exact("UUID", st.uuids(), str, UUID),
    exact("BIT", st.text("01", min_size=1), str, str),
]  # fmt: skip


@st.composite
def sql_columns(draw: st.DrawFn) -> dict[str, list[SqlValue]]:
    """Draw up to 12 columns of any type with one to three rows."""
    rows = draw(st.integers(1, 3))
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=12))
    return {f"c{n}": draw(st.lists(kind, min_size=rows, max_size=rows)) for n, kind in enumerate(kinds)}


def select(columns: dict[str, list[SqlValue]]) -> str:
    """Return the query of these columns."""
    rows = zip(*columns.values(), strict=True)
    values = ", ".join(f"({', '.join(value.sql for value in row)})" for row in rows)
    return f"SELECT * FROM (VALUES {values}) t({', '.join(columns)})"

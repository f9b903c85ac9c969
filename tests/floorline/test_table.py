"""Tables of every command: no number, id or time is cut; columns that are left out are named below."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorline.cli.commands.keys import print_statuses
from floorline.cli.render import backfill, gaps, runs
from floorline.console import print_table
from floorline.keys.status import KeyStatus
from floorline.table import Column, cut_text, fit_columns, table_lines
from pipelines.alerts.messages import AlertMessage
from pipelines.backfill.gap_parts import Gap, GapPart
from tests.support.clocks import NOON
from tests.support.terminals import cells_of, printed, read_table
from warehouse.state.alerts import Alert
from warehouse.state.backfill_rows import BackfillRecord

RUNS = tuple(f"20260601T12{minute:02}00Z-bc4c064{minute % 10}" for minute in range(0, 60, 10))
ITEM = "StatTrak™ AK-47 | Redline (Field-Tested)"
MESSAGE = "buff163: 1,234 of 2,000 quotes disappeared at once; none of its 1,234 quotes was closed"
BACKFILL = "bf-20260601T120000Z-3f1c"


def print_some_gaps() -> None:
    end = NOON + timedelta(hours=3)
    parts = (GapPart(NOON, end, "fillable"),)
    gap = Gap("core", "cs2cap", "USD", NOON, end, "incomplete", RUNS, (), parts)
    gaps.print_gaps([gap], "floorline backfill --gaps", as_json=False)


def print_some_backfills() -> None:
    request = {"items": [ITEM], "providers": ["steam", "buff163"], "currency": "USD",
               "start": "2026-05-01T00:00:00+00:00", "end": "2026-06-01T00:00:00+00:00"}  # fmt: skip
    record = BackfillRecord(
        BACKFILL, "digest", "history", "cs2cap", request, 10, None, "incomplete", None, None, NOON, NOON,
        shards=1203, done=1201, broken=2, rows=1_234_567, requests=45_678,
    )  # fmt: skip
    backfill.print_list([(record, None)], as_json=False)


def print_some_statuses() -> None:
    status = KeyStatus(
        "cs2cap", "file:/home/analyst/keys/cs2cap.key", "a1b2", accepted=True, tier="quant", used=123_456,
        requests_per_minute=400, requests_per_month=1_000_000, expires_at=NOON, days_left=12.5,
    )  # fmt: skip
    print_statuses([status], as_json=False)


def print_some_alerts() -> None:
    alert = Alert("provider.dark", "cs2cap", "buff163", MESSAGE, alert_id=1024, opened_at=NOON, repeats=3)
    runs.print_alerts([alert])


TABLES: dict[str, tuple[Callable[[], None], set[str], str]] = {
    "gaps": (print_some_gaps, {"core", "USD", "2026-06-01 12:00:00", "2026-06-01 15:00:00", "3h", "fillable",
                               "incomplete", ", ".join(RUNS)}, "1 row"),
    "backfill list": (print_some_backfills, {
        BACKFILL, "history", "cs2cap", "incomplete", "1,201/1,203", "2", "1,234,567", "45,678",
        f"{ITEM} at steam, buff163, USD, 2026-05-01 00:00 to 2026-06-01 00:00"}, "1 backfill"),
    "key status": (print_some_statuses, {
        "cs2cap", "file:/home/analyst/keys/cs2cap.key", "…a1b2", "yes", "quant", "400", "1,000,000",
        "123,456", "2026-06-01 12:00:00", "12.5"}, "1 key"),
    "alerts list": (print_some_alerts, {
        "1024", "warning", "provider.dark", "cs2cap", "buff163", "2026-06-01 12:00:00", "3",
        MESSAGE}, "1 alert"),
}  # fmt: skip


@pytest.mark.parametrize("width", [60, 80, 140, 200, None])
@pytest.mark.parametrize("name", TABLES)
def test_cells_of_every_command_are_whole_or_named_as_left_out(name: str, width: int | None) -> None:
    action, values, count = TABLES[name]
    text = printed(width, action)
    # Notes may follow the table.
    lines = text.splitlines()
    end = lines.index(count) + 1
    end += end < len(lines) and "not shown" in lines[end]
    table = read_table("\n".join(lines[:end]))
    (row,) = table.rows
    assert len(row) + len(table.left_out) == len(values)
    assert width is not None or table.left_out == []
    for cell in row:
        cut = [value for value in values if " " in value and value.startswith(cell.removesuffix("…"))]
        assert cell in values or (cell.endswith("…") and cut and len(cell) >= 8), cell


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("AK-47 | Redline", 15, "AK-47 | Redline"),
        ("AK-47 | Redline", 12, "AK-47 | Red…"),
        ("the price is 16685.94 today", 18, "the price is…"),
        ("the price is 16685.94 today", 21, "the price is…"),
        ("the price is 16685.94 today", 22, "the price is 16685.94…"),
        ("no sale since 2026-06-01 12:00:00", 28, "no sale since 2026-06-01…"),
        ("there are 1,234,567 rows", 16, "there are…"),
        ("[16685.94, 12.5, 7]", 15, "[16685.94,…"),
        ("崭新出厂 (崭新出厂)", 8, "崭新出…"),
        ("16685.94 and more", 5, "…"),
    ],
)
def test_text_is_cut_beside_numbers(text: str, width: int, shown: str) -> None:
    assert cut_text(text, width) == shown


@given(st.text(), st.integers(2, 60))
def test_cut_text_is_a_beginning(text: str, width: int) -> None:
    shown = cut_text(text, width)
    assert shown == text or (shown.endswith("…") and text.startswith(shown[:-1]))


def test_numbers_keep_their_place_before_other_columns() -> None:
    columns = [
        Column("source", ["cs2cap"]),
        Column("item", [ITEM]),
        Column("url", ["https://market.example/" + "x" * 60]),
        Column("price", ["16685.94"], numeric=True, exact=True),
    ]
    assert fit_columns(columns, 60, [[1, 3], [0, 2]]) == [6, 40, None, 8]
    assert fit_columns(columns, 40, [[1, 3], [0, 2]]) == [None, 30, None, 8]
    assert fit_columns(columns, 20, [[1, 3], [0, 2]]) == [None, 20, None, None]
    assert fit_columns(columns, None, [[1, 3], [0, 2]]) == [6, 40, 83, 8]


def test_number_that_is_wider_than_the_terminal_is_whole() -> None:
    number = Column("n", ["1" * 39], exact=True, numeric=True)
    assert list(table_lines([number], fit_columns([number], 20, [[0]]))) == ["n".rjust(39), "1" * 39]


def test_wide_and_combining_characters_are_aligned() -> None:
    rows = [("渐变", 1), ("e\u0301te\u0301", 22), ("a", 3)]
    heading, *lines, _ = printed(None, lambda: print_table(("name", "price"), rows)).splitlines()
    assert {cells_of(line) for line in lines} == {cells_of(heading)}


def test_markup_emoji_and_escape_codes_are_text() -> None:
    hostile = "[red]x[/red] :smile: \x1b[31m\u202e\r\n"
    for width in (60, None):
        text = printed(width, lambda: print_table(("name",), [(hostile,)]))
        assert "[red]x[/red] :smile:" in text
        assert r"\x1b[31m\u202e\r\n" in text
        assert text.replace("\n", "").isprintable()


def test_empty_table_has_its_columns_and_a_count() -> None:
    assert printed(80, lambda: print_table(("a", "b"), [])) == "a  b\n0 rows\n"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(2026, "2,026"), (Decimal("16685.94000000"), "16685.94"), (Decimal("1E-8"), "0.00000001"), (None, ""),
     (datetime.fromisoformat("2026-06-01T14:00:00+02:00"), "2026-06-01 12:00:00"), (True, "yes")],
)  # fmt: skip
def test_own_values(value: object, shown: str) -> None:
    assert printed(80, lambda: print_table(("n",), [(value,)])).splitlines()[1].strip() == shown


def test_number_of_an_alert_has_no_separators() -> None:
    alert = Alert("silence", "cs2cap", "core", "the basket is silent", alert_id=1024)
    assert "alert_id  1024\n" in printed(80, lambda: runs.print_alert(AlertMessage(alert), as_json=False))

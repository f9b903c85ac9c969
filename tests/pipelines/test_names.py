"""A name that Floorline shows, copied into an item file or a configuration, is the same name there."""

from __future__ import annotations

import logging
import os
import re
import tomllib
from pathlib import Path

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from common.errors import ConfigError, RequestRejected
from common.shards import Item
from common.text import quote
from connectors.schemas import ITEMS
from floorline.console import print_table
from pipelines.item_files import comments_of, expand_files
from pipelines.planning.selectors import resolve_items, resolve_providers, warn_of_comments
from tests.support.terminals import printed

REDLINE = "AK-47 | Redline (Field-Tested)"
ODD = "\\#'\" @*nx1\x1b\n\r\t\x85\u2028\u202e\u200b\xa0=+-"
NAMES = (st.text(st.sampled_from(ODD), min_size=1, max_size=8) | st.text(min_size=1)).filter(
    lambda name: name.strip() not in {"", "all"} and not name.startswith("file:")
)


def catalog(*names: str) -> pl.DataFrame:
    rows = [dict.fromkeys(ITEMS) | {"item_id": str(at), "market_hash_name": name}
            for at, name in enumerate(names, 100_000)]  # fmt: skip
    return pl.DataFrame(rows, schema=ITEMS)


def selected(selectors: tuple[str | int, ...], *names: str) -> list[str]:
    return [item.market_hash_name for item in resolve_items(selectors, catalog(*names)) or ()]


def read_file(folder: Path, content: str) -> tuple[str | int, ...]:
    (folder / "items.txt").write_bytes(content.encode())
    return expand_files(("file:items.txt",), folder, "basket core")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("names")


@given(name=NAMES, other=NAMES)
@settings(deadline=None)
def test_name_from_a_table_is_the_same_name_in_an_item_file(folder: Path, name: str, other: str) -> None:
    table = printed(None, lambda: print_table(("item",), [(name,)])).split("\n")
    selectors = read_file(folder, f"# names\n{table[1]}\n")
    assert selectors == (name,)
    assert selected(selectors, other, name) == [name]


@given(name=NAMES, other=NAMES)
@settings(deadline=None)
def test_name_from_a_table_is_the_same_name_in_a_configuration(name: str, other: str) -> None:
    cell = printed(None, lambda: print_table(("item",), [(name,)])).split("\n")[1]
    assume("'" not in cell and not cell.isdecimal() and cell != other)
    assert selected(tuple(tomllib.loads(f"items = ['{cell}']")["items"]), other, name) == [name]


@given(name=NAMES)
@settings(deadline=None)
def test_name_from_a_message_is_the_same_name_everywhere(folder: Path, name: str) -> None:
    message = str(RequestRejected(f"no item is called {quote(name)}", "cs2cap"))
    assume(len(message) < 300)
    found = re.fullmatch(r"cs2cap: no item is called (.*?)\. A retry.*", message)
    assert found
    shown = found[1]
    assert read_file(folder, shown) == (name,)
    assume(not name.isdecimal())
    assert selected(tuple(tomllib.loads(f"items = [{shown}]")["items"]), name) == [name]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param("AK-47  | Redline", ["AK-47  | Redline"], id="guard: two blanks"),
        pytest.param("#1 Fan\n", ["#1 Fan"], id="new: a name that begins with #"),
        pytest.param(r"\# Fan", ["# Fan"], id="new: a backslash before #"),
        pytest.param("'# Fan'", ["# Fan"], id="new: # in single quotation marks"),
        pytest.param('"# Fan"', ["# Fan"], id="new: # in double quotation marks"),
        pytest.param("# Fan\n#\n#\tFan\n4994", ["4994"], id="guard: comments"),
        pytest.param("'The Doctor' Romanov", ["'The Doctor' Romanov"], id="guard: a quoted part"),
        pytest.param(r'"say \"hi\""', ['say "hi"'], id="new: quotation marks in quotation marks"),
        pytest.param("line\u2028and\x85line\x0b", ["line\u2028and\x85line"], id="new: other line breaks"),
        pytest.param("\ufeffAK-47\r\nM4A4\r\n", ["AK-47", "M4A4"], id="new: byte order mark"),
        pytest.param(r"\u202egnp\x1b", ["\u202egnp\x1b"], id="new: escape form"),
        pytest.param(r"Sticker | \o/", [r"Sticker | \o/"], id="guard: other backslashes"),
        pytest.param("file:other.txt", ["file:other.txt"], id="guard: a file in a file is a name"),
    ],
)  # fmt: skip
def test_lines_of_an_item_file(tmp_path: Path, content: str, expected: list[str]) -> None:
    assert list(read_file(tmp_path, content)) == expected


@pytest.mark.parametrize(
    ("file", "message"),
    [
        pytest.param("none.txt", "none.txt cannot be read: No such file or directory", id="guard: no file"),
        pytest.param(".", "is no regular file", id="new: a folder"),
        pytest.param("pipe", "is no regular file", id="new: a pipe, which never ends"),
        pytest.param("/proc/self/environ", "cannot be read: it is no text", id="new: an environment"),
        pytest.param("/dev/zero", "/dev/zero is no regular file", id="new: a device"),
        pytest.param("latin", "latin cannot be read: it is not UTF-8 text", id="new: another encoding"),
        pytest.param("a\0b", r"a\x00b cannot be read: its path is not valid", id="new: NUL"),
        pytest.param(
            "~nobody-here/x", "no home folder is known for ~nobody-here/x: ", id="new: no home folder"
        ),
        pytest.param("x" * 300, "cannot be read: File name too long", id="guard: a long name"),
    ],
)
def test_item_file_that_cannot_be_read_is_reported(tmp_path: Path, file: str, message: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "latin").write_bytes("Sticker | Göteborg".encode("latin-1"))
    with pytest.raises(ConfigError) as error:
        expand_files((f"file:{file}",), tmp_path, "basket core")
    assert message in error.value.detail
    assert error.value.detail.startswith("basket core: ")


@pytest.mark.parametrize(
    "selector",
    [
        pytest.param(" edges ", id="new: blanks at the ends"),
        pytest.param(r"\x20edges\x20", id="new: escape form"),
    ],
)
def test_blanks_at_the_ends_of_a_name_count(selector: str) -> None:
    assert selected((selector,), " edges ") == [" edges "]


def test_name_from_a_csv_cell_is_found_without_the_mark_of_a_formula() -> None:
    assert selected(("'=HYPERLINK(1)",), "=HYPERLINK(1)") == ["=HYPERLINK(1)"]


def test_comment_that_is_the_name_of_an_item_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "items.txt").write_text("# Fan\n# knives\n#\nAK-47\n")
    comments = comments_of(("file:items.txt", 7), tmp_path, "basket core")
    with caplog.at_level(logging.WARNING, "floorline"):
        warn_of_comments(comments, catalog("# Fan", "AK-47", "knives"), "basket core")
    (record,) = caplog.records
    assert record.getMessage().startswith("basket core: the line '# Fan' of its item file is a comment")


def test_line_that_was_a_comment_says_how_comments_begin(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no item is called '#knives'; a comment begins with \"# \""):
        selected(read_file(tmp_path, "#knives\n"), REDLINE)


@pytest.mark.parametrize(
    ("wrong", "right", "difference"),
    [
        ("AK-47 | Redline  (Field-Tested)", REDLINE, r"17: a blank less"),
        ("AK-47 |Redline (Field-Tested)", REDLINE, r"8: a blank more"),
        ("AK-47\xa0| Redline (Field-Tested)", REDLINE, r"6: a blank in the place of U\+00A0 NO-BREAK SPACE"),
        ("AK\u201347 | Redline (Field-Tested)", REDLINE, r"3: U\+002D HYPHEN-MINUS .* U\+2013 EN DASH"),
        ("AK-47 \uff5c Redline (Field-Tested)", REDLINE, r"7: U\+007C VERTICAL LINE .* U\+FF5C FULLWIDTH .*"),
        ("AK-47 \u01c0 Redline (Field-Tested)", REDLINE, r"7: U\+007C VERTICAL LINE .* U\+01C0 LATIN .*"),
        ("\u0410K-47 | Redline (Field-Tested)", REDLINE, r"1: U\+0041 LATIN .* U\+0410 CYRILLIC .*"),
        ("AK-47 | Redline (Field-Tested)\u200b", REDLINE, r"31: U\+200B ZERO WIDTH SPACE less"),
        ("Cafe\u0301", "Caf\xe9", r"4: U\+00E9 .* in the place of U\+0065 .*, U\+0301 .*"),
        ("Caf\xe9", "Cafe\u0301", r"4: U\+0065 .*, U\+0301 .* in the place of U\+00E9 .*"),
        ("StatTrakTM AK-47", "StatTrak™ AK-47", r"9: U\+2122 TRADE MARK SIGN .* U\+0054 .*, U\+004D .*"),
        ("ak-47 | redline (field-tested)", REDLINE, ""),
        ("StatTrak™ AK-47 | Re…", "StatTrak™ AK-47 | Redline (Minimal Wear)", ""),
        ("AK-47 | Redlin (Field-Tested)", REDLINE, ""),
    ],
)
def test_suggestion_shows_a_difference_that_eyes_miss(wrong: str, right: str, difference: str) -> None:
    with pytest.raises(ConfigError) as error:
        selected((wrong,), "AK-47 | Redlin3 (Field-Tested)", "AK-47 | Redline (Well-Worn)", right)
    _, question, rest = error.value.detail.partition(f"; did you mean {quote(right)}?")
    assert question
    assert re.fullmatch(rf" \(at character {difference}\)" if difference else "", rest), rest


def test_only_some_of_many_unknown_names_are_explained() -> None:
    with pytest.raises(ConfigError) as error:
        selected(tuple(f"unknown {number}" for number in range(1000)), REDLINE)
    assert error.value.detail.count("no item is called") == 5
    assert error.value.detail.endswith("; and 995 more")


def test_glob_in_another_spelling_is_suggested() -> None:
    expected = f"(case matters); do you mean names like {quote(REDLINE)}?"
    with pytest.raises(ConfigError, match=re.escape(expected)):
        selected(("ak\u201347 |*",), "AWP", REDLINE)


def test_provider_is_found_by_its_escape_form() -> None:
    markets = pl.DataFrame({"provider": ["steam\x1b", "steam"], "name": ["Odd", "Steam"]})
    assert resolve_providers([r"steam\x1b", "steam "], markets) == ("steam\x1b", "steam")


def test_label_of_an_item_selects_the_item() -> None:
    frame = catalog("Karambit\t| Doppler").with_columns(phase=pl.lit("Ruby"))
    label = Item("1", "Karambit\t| Doppler", "Ruby").label
    assert label == r"Karambit\t| Doppler @ Ruby"
    (item,) = resolve_items([label], frame) or ()
    assert (item.market_hash_name, item.phase) == ("Karambit\t| Doppler", "Ruby")

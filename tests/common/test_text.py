"""The escape form of names: printable, on one line, and read back as exactly the same name."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.text import escape, quote, reveal, sanitize, spellings, unescape, unquote

ODD = "\\\\\\#'\" nxrtuU01fe\x1b\n\u202e\ufe0f\u2028\x85\u3164\u2066"
NAMES = st.text(st.sampled_from(ODD), max_size=12) | st.text()


@given(NAMES)
@example("# all")
@example("'quoted'")
@example('"\x1b"')
@example("\\\x1b ")
@example("  two  blanks  ")
def test_escape_form_is_one_printable_line_and_is_read_back(name: str) -> None:
    shown = escape(name)
    assert shown.isprintable()
    assert shown == shown.strip()
    assert unescape(shown) == unquote(shown) == name


@given(NAMES.filter(lambda name: len(name) <= 300))
def test_quoted_name_is_read_back_by_an_item_file_and_by_toml(name: str) -> None:
    shown = quote(name)
    assert shown.isprintable()
    assert unquote(shown) == name
    assert name in spellings(tomllib.loads(f"name = {shown}")["name"])


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("AK-47 | Redline  (Field-Tested)", "AK-47 | Redline  (Field-Tested)"),
        (r"Sticker | \o/", r"Sticker | \o/"),
        (r"Sticker | \n", r"Sticker | \\n"),
        ("red\x1b[31m", r"red\x1b[31m"),
        ("\u202egnp", r"\u202egnp"),
        ("non\xa0breaking", r"non\xa0breaking"),
        ("hangul\u3164filler", r"hangul\u3164filler"),
        ("tag\U000e0041", r"tag\U000e0041"),
        (" edges ", r"\x20edges\x20"),
        ("# comment", r"\# comment"),
        ("#1 Fan", "#1 Fan"),
        ("'The Doctor' Romanov | Sabre", "'The Doctor' Romanov | Sabre"),
        ("'quoted'", r"\'quoted'"),
    ],
)
def test_escape_form_of_common_names_is_short(name: str, shown: str) -> None:
    assert escape(name) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("AK-47", "'AK-47'"),
        ("it's", '"it\'s"'),
        ("it's \x1b\\", '"it\'s \\u001b\\\\"'),
        ("x" * 400, "'" + "x" * 299 + "…'"),
    ],
)
def test_quoted_names(name: str, shown: str) -> None:
    assert quote(name) == shown


@given(NAMES)
def test_sanitized_twice_is_sanitized_once(text: str) -> None:
    assert sanitize(sanitize(text)) == sanitize(text)


def test_sanitized_message_keeps_the_names_in_it() -> None:
    name = "AK-47 | Redline  (Field-Tested)\x1b[31m"
    assert sanitize(f"no\n  {quote(name)}") == r"no 'AK-47 | Redline  (Field-Tested)\x1b[31m'"


def test_revealed_text_keeps_its_lines() -> None:
    assert reveal("a\nb\x1b[2J\x9b31m\u202e") == "a\nb" + r"\x1b[2J\x9b31m\u202e"

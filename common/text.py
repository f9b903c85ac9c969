"""Text for people: foreign text on one safe line, names in a form that can be read back, and time spans.

The escape form of a text is printable, is one line, and has an inverse, `unescape`: tables and messages show
names in this form, and configurations and item files take names in it. A backslash stands before `x`, `u` or
`U` and the hexadecimal number of an invisible character, before `n`, `r` and `t` for line breaks and a tab,
and before a backslash, a quotation mark or a `#` that would have another meaning. Other backslashes stand for
themselves.
"""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Final

# Commas that separate the thousands of a number belong to its word.
WORD: Final = re.compile(r"""(?:[^\s,;'"()\[\]{}|=]|(?<=\d),(?=\d))+""")
DIGIT: Final = re.compile(r"\d")
LONGEST_VALUE: Final = 100  # characters; a longer word is no number, no id and no time
LONGEST_NAME: Final = 300  # characters; a message does not repeat a longer name whole
# Python calls these characters printable, and terminals show nothing for them.
BLANK: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
ESCAPE: Final = re.compile(
    r"""\\(?:([\\#'"nrt])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U(000[0-9a-fA-F]{5}|0010[0-9a-fA-F]{4}))"""
)
LETTERS: Final = {"n": "\n", "r": "\r", "t": "\t"}
QUOTED: Final = re.compile(r"""'[^']*'|"(?:[^"\\]|\\.)*\"""")
COMMENT: Final = re.compile(r"#(?:\s.*)?")
# What spreadsheets take for the beginning of a formula.
FORMULA: Final = re.compile("[ \\x00]*[=+\\-@\uff1d\uff0b\uff0d\uff20]|[\\t\\r\\n]")
LINE_BREAKS: Final = re.compile(r"[\t-\r]+")


def sanitize(text: str, limit: int = 200) -> str:
    """Return a foreign message on one printable line, at most `limit` characters long.

    Line breaks and tabs become blanks, and escapes show the other invisible characters. To sanitize a text
    again changes nothing: a name within the message that must stay exact is quoted first.
    """
    parts = (part.strip(" ") for part in LINE_BREAKS.split(text[: limit * 8]))
    line = reveal(" ".join(filter(None, parts)))
    return line if len(line) <= limit else shorten(line, limit - 1) + "…"


def shorten(text: str, length: int) -> str:
    """Return the beginning of `text`, at most `length` characters long; a word with a digit is not cut.

    A part of a number, an id or a time would be a wrong number, id or time.
    """
    for word in WORD.finditer(text):
        if word.end() > length:
            is_value = len(word[0]) <= LONGEST_VALUE and DIGIT.search(word[0])
            return text[: min(word.start(), length) if is_value else length].rstrip()
    return text[:length].rstrip()


def reveal(text: str) -> str:
    """Return `text` with escapes for its control and invisible characters, but for line feeds.

    A terminal then runs nothing of it. The result is no escape form: its backslashes have several meanings.
    """
    if text.replace("\n", "").isprintable() and (text.isascii() or not BLANK.search(text)):
        return text
    hidden = [char for char in set(text) if char != "\n" and not _is_visible(char)]
    return text.translate({ord(char): _escape_character(char) for char in hidden})


def escape(text: str) -> str:
    """Return the escape form of `text`, whole; see the module."""
    escaped = _escape_characters(text)
    return "\\" + escaped if QUOTED.fullmatch(escaped) or COMMENT.fullmatch(escaped) else escaped


def unescape(text: str) -> str:
    """Return the text whose escape form is `text`."""
    return ESCAPE.sub(_unescape_match, text)


def unquote(text: str) -> str:
    """Return the name that a table or a message shows as `text`, in quotation marks or without."""
    return unescape(text[1:-1] if QUOTED.fullmatch(text) else text)


def spellings(text: str) -> tuple[str, ...]:
    """Return what a name in a configuration can mean, the most literal first.

    These are the text as it is, without blanks at its ends, out of its escape form, out of that of a message
    that a table shows, and out of a CSV.
    """
    stripped = text.strip()
    cell = stripped[1:] if stripped[:1] == "'" and FORMULA.match(stripped, 1) else stripped
    once = unescape(cell)
    return tuple(dict.fromkeys((text, stripped, unescape(stripped), cell, once, unescape(once))))


def quote(name: str) -> str:
    """Return a name in quotation marks, in its escape form, which is also a string of TOML.

    A name of more than 300 characters ends with an ellipsis.
    """
    if len(name) > LONGEST_NAME:
        return quote(shorten(name[: 2 * LONGEST_NAME], LONGEST_NAME - 1) + "…")
    escaped = _escape_characters(name)
    if "'" not in escaped:
        return f"'{escaped}'"
    # TOML's strings in double quotation marks have no \x
    return '"' + "".join(_escape_for_toml(char) for char in name) + '"'


def _escape_characters(text: str) -> str:
    """Return the escape form of a text that neither quotation marks nor a `#` make ambiguous."""
    is_plain = text.isprintable() and not BLANK.search(text) and not ESCAPE.search(text)
    if is_plain and text == text.strip(" "):
        return text
    edges = {0, len(text) - 1}
    return "".join(
        _escape_character(char)
        if char == "\\" or (char == " " and at in edges) or not _is_visible(char)
        else char
        for at, char in enumerate(text)
    )


def _is_visible(char: str) -> bool:
    return char.isprintable() and not BLANK.match(char)


def _escape_character(char: str) -> str:
    return r"\x20" if char == " " else char.encode("unicode_escape").decode("ascii")


def _escape_for_toml(char: str) -> str:
    if char in {'"', "\\"}:
        return "\\" + char
    if _is_visible(char):
        return char
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"


def _unescape_match(escaped: re.Match[str]) -> str:
    if escaped[1]:
        return LETTERS.get(escaped[1], escaped[1])
    return chr(int(escaped[2] or escaped[3] or escaped[4], 16))


def pluralize(number: int, noun: str) -> str:
    """Return the number and the noun, in the plural unless the number is 1."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def format_amount(value: Decimal) -> str:
    """Return an exact amount with at least two decimal places and no further trailing zeros."""
    integer, _, decimals = f"{value:f}".partition(".")
    return f"{integer}.{decimals.rstrip('0').ljust(2, '0')}"


def format_exact_duration(length: timedelta) -> str:
    """Return a duration to the second, such as "2h 10m" or "1d 5s"; "0s" for none."""
    seconds, parts = round(length.total_seconds()), []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        count, seconds = divmod(seconds, size)
        parts += [f"{count}{unit}"] if count else []
    return " ".join(parts) or "0s"


def format_duration(length: timedelta) -> str:
    """Return a duration in whole units, such as "90s", "12m", "3h" or "5d", without its sign."""
    seconds = round(abs(length).total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size or (seconds >= size and seconds % size == 0):
            return f"{seconds // size}{unit}"
    return f"{seconds}s"

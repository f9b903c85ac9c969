"""What is wrong with a file that is not TOML, in words of our own."""

from __future__ import annotations

import re
import tomllib
from typing import Final

BACKSLASH: Final = (
    "has a backslash that TOML does not know; in 'single quotation marks' a backslash is text, as in names"
    " that Floorline shows"
)
QUOTES: Final = 'write text in quotation marks, as in path = "data"'
PLACE: Final = re.compile(r"\(at line (\d+), column \d+\)|\(at end of document\)")
# The parser's messages by their beginnings, and what to write.
PHRASES: Final = {
    r"Unescaped|Invalid hex value|Escaped character": BACKSLASH,
    r"Cannot declare": "declares a table a second time: write each table once, under its own name",
    r"Duplicate|Cannot (overwrite|mutate|redefine)": "sets what is set already: remove one of them",
    r"Expected '?\"?\]": "has a table without its closing bracket: write [warehouse] or [[baskets]]",
    r"Expected '='": 'has no value: write KEY = VALUE, as in path = "data"',
    r"Unclosed array": 'has a list without its closing bracket: write ["A", "B"]',
    r"Unclosed inline table": "has a table without its closing brace",
    r"Unterminated string|Expected \"|Illegal character": "has a text without its closing quotation mark",
    r"Expected newline": f"goes on after its value: write one key a line; {QUOTES}",
    r"Invalid value|Invalid date": f"has a value that is not TOML: {QUOTES}",
    r"Invalid initial character|Invalid statement": "begins with no key: write KEY = VALUE, or [TABLE]",
    r"Found invalid character": "has a character that no TOML has: write it as an escape",
}


def describe_toml_error(error: tomllib.TOMLDecodeError, text: str) -> tuple[int, str]:
    """Return the line, from 1, at which the parser of TOML stopped, and a phrase about this line."""
    message = str(error)
    place = PLACE.search(message)
    line = int(place[1]) if place and place[1] else max(len(text.splitlines()), 1)
    phrase = next((phrase for pattern, phrase in PHRASES.items() if re.match(pattern, message)), None)
    return line, phrase or f"is not TOML: {QUOTES}"

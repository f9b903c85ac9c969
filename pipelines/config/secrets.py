"""Keys that are written into a file, where they do not belong; found without being shown."""

from __future__ import annotations

import os
import re
from typing import Final

# As the APIs write their keys: cs2c_live_..., sk_live_..., sk_ and a long text.
KEY: Final = re.compile(
    r"(?<![A-Za-z0-9])(cs2c_(?=\w*\d)\w{12,}|sk_(live|test)_\w{6,}|sk_(?=[A-Za-z0-9]*\d)[A-Za-z0-9]{16,})"
)
# Not what `notify` names: the same address may be in the file.
PLACE: Final = re.compile(r"""\bkey(?:_next)?["']?\s*=\s*["']env:(\w+)""")
DEFAULT_PLACES: Final = ("CS2C_API_KEY", "SKINSHARK_API_KEY", "SKINSHARK_API_KEY_NEXT")
SHORTEST: Final = 8  # characters of a key; a shorter one may be in any text
ADVICE: Final = (
    "has an API key, which does not belong into a file: remove it, set a variable of the environment to it,"
    ' and write key = "env:VARIABLE"'
)

PASSWORD: Final = re.compile(r"\bpostgres(?:ql)?://(?:[^\s/?#@:]*:[^\s@]+@|\S*[?&]password=)", re.IGNORECASE)
ADDRESS_ADVICE: Final = (
    "has the address of a database with a password, which does not belong into a file: remove it, set a"
    ' variable of the environment to it, and write database = "env:VARIABLE"'
)

# A long text of letters and digits where a name or a path is expected.
RANDOM: Final = re.compile(r"(?=[^\d]*\d)(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9]+_?[A-Za-z0-9]+")
SHORTEST_RANDOM: Final = 20


def has_form_of_key(text: str) -> bool:
    """Return whether a name is rather a key: of the form of an API's keys, or long and random."""
    return bool(KEY.search(text)) or (len(text) >= SHORTEST_RANDOM and bool(RANDOM.fullmatch(text)))


def has_password(text: str) -> bool:
    """Return whether a text has the address of a PostgreSQL database with a password."""
    return bool(PASSWORD.search(text))


def find_password_line(text: str) -> int | None:
    """Return the first line, from 1, with the address of a database with a password; None without one."""
    lines = enumerate(text.splitlines(), start=1)
    return next((number for number, line in lines if has_password(line)), None)


def find_key_line(text: str) -> int | None:
    """Return the first line, from 1, with what looks like a key, or with a key of the environment.

    None without one. These keys are in the variables that `text` names for them, and in the usual ones.
    """
    values = (os.environ.get(name, "").strip() for name in (*PLACE.findall(text), *DEFAULT_PLACES))
    keys = [value for value in values if len(value) >= SHORTEST]
    for number, line in enumerate(text.splitlines(), start=1):
        if KEY.search(line) or any(key in line for key in keys):
            return number
    return None

"""Split the text of JSON arrays and objects by brackets and quotes alone, whatever stands between these.

A strict decoder refuses a whole response for one value that is no JSON, such as half of a surrogate pair or
NaN. Split into its entries, the response loses that entry only.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
from msgspec import Raw

# A string, also one without its end.
_STRING: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?'
_FLAT: Final = rb'(?:[^"\[\]{}]++|' + _STRING + rb")*+"
_NAME: Final = re.compile(_STRING, re.DOTALL)
# A string, a whole array or object without another one in it, such as nearly every row, or a mark.
_TOKEN: Final = re.compile(rb"%b|\{%b\}|\[%b\]|[\[\]{}:,]" % (_STRING, _FLAT, _FLAT), re.DOTALL)
_DEPTH: Final = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}


def is_json(text: bytes | Raw) -> bool:
    """Return whether a text is JSON."""
    try:
        msgspec.json.decode(text, type=Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def split_entries(text: bytes) -> list[bytes]:
    """Return the text of each entry of a JSON array; raises ValueError where the text is no array."""
    text = text.strip()
    if not (text.startswith(b"[") and text.endswith(b"]")):
        raise ValueError("no array")
    return _split(text)


def split_members(text: bytes) -> Iterator[tuple[str | None, bytes]]:
    """Yield the name and the text of each value of a JSON object; raises ValueError for any other text.

    The name is None where it is no JSON itself.
    """
    text = text.strip()
    if not (text.startswith(b"{") and text.endswith(b"}")):
        raise ValueError("no object")
    for member in _split(text):
        name = _NAME.match(member)
        value = member[name.end() :].lstrip() if name is not None else b""
        if name is None or not value.startswith(b":"):
            raise ValueError("no member of an object")
        yield _decode_name(name[0]), value[1:].strip()


def join_members(members: Mapping[str, bytes]) -> bytes:
    """Return the JSON object with these values."""
    return b"{%b}" % b",".join(msgspec.json.encode(name) + b":" + value for name, value in members.items())


def _split(text: bytes) -> list[bytes]:
    """Return what lies between the commas of the outermost brackets."""
    entries: list[bytes] = []
    depth, start = 1, 1
    for token in _TOKEN.finditer(text, start):
        depth += _DEPTH.get(token[0], 0)
        if depth == 0 or (depth == 1 and token[0] == b","):
            entries.append(text[start : token.start()].strip())
            start = token.end()
        if depth == 0:
            break
    if depth or start != len(text):
        raise ValueError("brackets that do not match")
    if entries == [b""]:
        return []
    if b"" in entries:
        raise ValueError("a comma without an entry")
    return entries


def _decode_name(text: bytes) -> str | None:
    try:
        return msgspec.json.decode(text, type=str)
    except (msgspec.DecodeError, UnicodeError):
        return None

"""Read a body of CS2Cap entry by entry: what cannot be read costs itself, and is told to `OnOdd`."""

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final, TypeVar

from msgspec import Struct

from common.errors import UnexpectedResponse
from common.text import sanitize
from connectors.base import LEFT_OUT
from connectors.cs2cap.contract import to_utc
from connectors.decoding import DECODE_ERRORS, EntryDecoder
from connectors.json_text import split_members

_SHOWN: Final = 60  # characters of an entry without a name
_T = TypeVar("_T")
_S = TypeVar("_S", bound=Struct)
# Takes an entry of a side table that cannot be read, or not completely: what it is, and why.
OnOdd = Callable[[str], object]


def decode_whole(decoder: EntryDecoder[_S], body: bytes, route: str, *, source: str, on_odd: OnOdd) -> _S:
    """Decode an object, its optional fields as far as they can be read; raises UnexpectedResponse."""
    try:
        value, problems = decoder.decode(body)
    except DECODE_ERRORS as error:
        raise UnexpectedResponse(f"{route}: {sanitize(str(error))}", source) from None
    for problem in problems:
        on_odd(sanitize(problem))
    return value


def split_response(body: bytes, route: str, source: str) -> list[tuple[str | None, bytes]]:
    """Return the names and texts of an object's entries; raises UnexpectedResponse where it is no object."""
    try:
        return list(split_members(body))
    except ValueError:
        raise UnexpectedResponse(f"{route}: no JSON object with an entry for each name", source) from None


def decode_entries(
    entries: Iterable[tuple[str | None, bytes]],
    decode: Callable[[bytes], tuple[_T, list[str]]],
    route: str,
    *,
    source: str,
    on_odd: OnOdd,
) -> list[tuple[str, _T]]:
    """Decode the entries of a side table one by one; `on_odd` takes those that lose a part or are left out.

    An entry is its name and its text; the name is empty where the text has it, and None where it is no JSON.
    Raises UnexpectedResponse where there are entries, and none can be read.
    """
    fitting: list[tuple[str, _T]] = []
    odd: list[str] = []
    for name, raw in entries:
        problems = [f"{LEFT_OUT}its name is no JSON"]
        if name is not None:
            try:
                entry, problems = decode(raw)
                fitting.append((name, entry))
            except (*DECODE_ERRORS, ValueError) as error:
                problems = [f"{LEFT_OUT}{error}"]
        if problems:
            odd.append(sanitize(f"{name or _find_name(raw)}: {'; '.join(problems)}"))
    if odd and not fitting:
        raise UnexpectedResponse(f"{route}: no entry can be read: {odd[0]}", source)
    for problem in odd:
        on_odd(problem)
    return fitting


def _find_name(raw: bytes) -> str:
    """Return the name or the id of an entry that cannot be read, or the beginning of its text."""
    text = raw.decode(errors="replace")
    try:
        entry = json.loads(text)  # reads what the strict decoder refuses, such as NaN
    except (ValueError, RecursionError):
        entry = None
    fields = entry if isinstance(entry, dict) else {}
    names = (fields.get(field) for field in ("market_hash_name", "key", "item_id"))
    return next((name for name in names if isinstance(name, str) and name), text[:_SHOWN])


def utc_or_none(time: datetime | None) -> datetime | None:
    """Return a time in UTC; None where there is none, or none that fits."""
    try:
        return time and to_utc(time)
    except ValueError:
        return None

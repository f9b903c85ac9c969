"""Cursors: opaque words that say after which row a page begins, and what faults make of them."""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TypeVar
from urllib.parse import quote, unquote

from sandbox.http_types import ApiError, ApiRequest, Json

T = TypeVar("T")
CursorPosition = tuple[int, ...]  # where a row stands in its order: its moment first (microseconds)
FIRST = 1 << 62  # a moment after all rows


def encode_cursor(place: CursorPosition) -> str:
    """Return the cursor of the rows after a place; quoted for a URL, as the contract's own example is."""
    return quote(b64encode(".".join(map(str, place)).encode()), safe="")


def decode_cursor(request: ApiRequest, length: int) -> CursorPosition | None:
    """Return the place after which a page begins, None for the first; raise the Refusal of a bad one."""
    text = request.one("cursor")
    try:
        place = None if text is None else _numbers(text)
    except ValueError:
        place = ()
    if place is not None and len(place) != length:
        raise ApiError(400, "BAD_REQUEST", "invalid cursor format")
    return place


def take_page(rows: Iterable[tuple[CursorPosition, T]], limit: int) -> tuple[list[T], str | None]:
    """Return so many rows and the cursor of the next ones, None where there are none."""
    found = list(islice(rows, limit + 1))
    following = encode_cursor(found[limit - 1][0]) if len(found) > limit else None
    return [row for _, row in found[:limit]], following


def pagination_fields(limit: int, request: ApiRequest, following: str | None) -> dict[str, Json]:
    """Return the `pagination` of an answer with cursors."""
    return {
        "limit": limit,
        "has_next": following is not None,
        "has_prev": request.one("cursor") is not None,
        "next_cursor": following,
    }


def expired_cursor_error() -> ApiError:
    """Return the refusal of a cursor that holds no longer; the contract has no example of it."""
    return ApiError(400, None, "cursor has expired")


def broken_cursor(kind: str, asked: str) -> Mapping[str, Json]:
    """Return what a fault writes over the `pagination` of a page that was asked for with a cursor.

    The next cursor is the same again ("cursor_repeats"), or leads to the first page ("cursor_goes_round").
    """
    wrong = asked if kind == "cursor_repeats" else encode_cursor((FIRST, *_numbers(asked)[1:]))
    return {"has_next": True, "next_cursor": wrong}


def _numbers(text: str) -> CursorPosition:
    return tuple(int(part) for part in b64decode(unquote(text), validate=True).decode("ascii").split("."))

"""Cursors: opaque texts that name the last row of a page, and the effects of faults on them."""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TypeVar
from urllib.parse import quote, unquote

from sandbox.http_types import ApiError, ApiRequest, Json

T = TypeVar("T")
CursorPosition = tuple[int, ...]  # the sort key of a row; its time comes first (microseconds)
AFTER_ALL_ROWS = 1 << 62  # a time


def encode_cursor(position: CursorPosition) -> str:
    """Return the cursor of the rows after a position; URL-quoted, as in the contract's example."""
    return quote(b64encode(".".join(map(str, position)).encode()), safe="")


def decode_cursor(request: ApiRequest, length: int) -> CursorPosition | None:
    """Return the position after which a page begins, None for the first page. Raises ApiError."""
    text = request.one("cursor")
    try:
        position = None if text is None else _parse_position(text)
    except ValueError:
        position = ()
    if position is not None and len(position) != length:
        raise ApiError(400, "BAD_REQUEST", "invalid cursor format")
    return position


def take_page(rows: Iterable[tuple[CursorPosition, T]], limit: int) -> tuple[list[T], str | None]:
    """Return the rows of a page and the cursor of the next page, None after the last page."""
    found = list(islice(rows, limit + 1))
    next_cursor = encode_cursor(found[limit - 1][0]) if len(found) > limit else None
    return [row for _, row in found[:limit]], next_cursor


def pagination_fields(limit: int, request: ApiRequest, next_cursor: str | None) -> dict[str, Json]:
    """Return the `pagination` object of responses with cursors."""
    return {
        "limit": limit,
        "has_next": next_cursor is not None,
        "has_prev": request.one("cursor") is not None,
        "next_cursor": next_cursor,
    }


def expired_cursor_error() -> ApiError:
    """Return the error of an expired cursor; the contract has no example of it."""
    return ApiError(400, None, "cursor has expired")


def broken_cursor(kind: str, cursor: str) -> Mapping[str, Json]:
    """Return the wrong fields for the `pagination` of a page that was requested with a cursor.

    The next cursor is the same cursor ("cursor_repeats"), or that of the first page ("cursor_goes_round").
    """
    if kind == "cursor_goes_round":
        cursor = encode_cursor((AFTER_ALL_ROWS, *_parse_position(cursor)[1:]))
    return {"has_next": True, "next_cursor": cursor}


def _parse_position(text: str) -> CursorPosition:
    return tuple(int(part) for part in b64decode(unquote(text), validate=True).decode("ascii").split("."))

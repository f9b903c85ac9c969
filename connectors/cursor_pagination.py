"""Cursor pagination without I/O: the cursor to request next, and whether a page continues the last one."""

from collections.abc import Hashable
from datetime import datetime
from typing import Final

from msgspec import Struct

from common.errors import PaginationError, RequestRejected
from common.text import sanitize

# A longer cursor would not fit into a URL.
MAX_CURSOR_LENGTH: Final = 4_096
# Of one extraction; the next one continues where it ended.
MAX_PAGES: Final = 20_000
# So many pages may follow each other without reaching an older row.
MAX_PAGES_OF_ONE_TIME: Final = 50
# The parts of a long cursor that a message shows; many cursors have the same beginning.
_HEAD: Final = 24
_TAIL: Final = 12


class CursorPageInfo(Struct, frozen=True):
    """What cursor pagination needs to know of a page.

    `newest` and `oldest` are the times of its rows, None for an empty page; `fingerprint` is a digest of the
    content.
    """

    next_cursor: str | None
    has_next: bool
    newest: datetime | None
    oldest: datetime | None
    fingerprint: Hashable


class CursorPaginator:
    """Follow cursors from page to page, newest rows first, until there are none or they precede `since`.

    Request a page with `cursor`, `check` the page, land it, and `advance`; until `ended`. Both methods raise
    PaginationError. `number` counts the pages, those before the first `cursor` included.
    """

    def __init__(self, source: str, since: datetime, cursor: str | None = None, number: int = 0) -> None:
        self.cursor = cursor
        self.number = number
        self.ended = False
        self._source = source
        self._since = since
        self._previous_cursor: str | None = None
        self._requested_cursors = {cursor}
        self._reached: datetime | None = None
        self._fingerprints: set[Hashable] = set()

    def next_cursor(self, page: CursorPageInfo) -> str | None:
        """Return the cursor of the next page; None after the last page that is needed."""
        return page.next_cursor if self._continues(page) else None

    def check(self, page: CursorPageInfo) -> None:
        """Check, before the page is landed, that it continues where the last page ended."""
        if self._reached and page.newest and page.newest > self._reached:
            newest, reached = (f"{time:%Y-%m-%d %H:%M:%S}" for time in (page.newest, self._reached))
            raise self._error(
                f"returned a page that starts at {newest}, after the listing had reached {reached}"
            )
        if self._continues(page) and not page.next_cursor:
            raise self._error("promises another page and names no cursor")
        if self._continues(page) and page.fingerprint in self._fingerprints:
            raise self._error("returned a page that had been returned before")
        if len(self._fingerprints) > MAX_PAGES_OF_ONE_TIME:
            raise self._error(f"returned no older row, as {MAX_PAGES_OF_ONE_TIME} pages before it")
        if len(self._requested_cursors) > MAX_PAGES:
            raise self._error(f"has no end after {MAX_PAGES} pages")

    def advance(self, page: CursorPageInfo) -> None:
        """Move on to the page after `page`."""
        next_cursor = self.next_cursor(page)
        if next_cursor is not None and next_cursor in self._requested_cursors:
            previous, repeated = shorten_cursor(self.cursor), shorten_cursor(next_cursor)
            raise PaginationError(f"{previous} led to {repeated}, which was requested before", self._source)
        self._remember(page)
        self._previous_cursor, self.cursor = self.cursor, next_cursor
        self._requested_cursors.add(next_cursor)
        self.number += 1
        self.ended = next_cursor is None

    def explain_rejected_cursor(self, error: RequestRejected) -> PaginationError:
        """Return the pagination error for a cursor that the API rejected, with the API's own words."""
        return PaginationError(
            self._error(f"was refused: {error.detail}").detail,
            error.source,
            code=error.code,
            status=error.status,
            request_id=error.request_id,
        )

    def _continues(self, page: CursorPageInfo) -> bool:
        return page.has_next and not (page.oldest is not None and page.oldest < self._since)

    def _remember(self, page: CursorPageInfo) -> None:
        """Remember the content of a page until a later page reaches older rows."""
        if page.oldest is not None and (self._reached is None or page.oldest < self._reached):
            self._reached = page.oldest
            self._fingerprints.clear()
        self._fingerprints.add(page.fingerprint)

    def _error(self, problem: str) -> PaginationError:
        is_first = len(self._requested_cursors) == 1
        origin = "" if is_first else f", to which {shorten_cursor(self._previous_cursor)} led,"
        return PaginationError(f"{shorten_cursor(self.cursor)}{origin} {problem}", self._source)


def shorten_cursor(cursor: str | None) -> str:
    """Name a cursor on one line of a message: the head and the tail of a long one, which is foreign text."""
    if cursor is None:
        return "the first page"
    text = sanitize(cursor, MAX_CURSOR_LENGTH)
    return f"cursor {text if len(text) <= _HEAD + _TAIL else f'{text[:_HEAD]}…{text[-_TAIL:]}'}"

"""Paginators without I/O: which page to request next, and whether the pages add up to a listing.

An offset paginator detects a repeated page, a listing without end, duplicate rows and missing rows. It cannot
detect one case: a row that is added and an earlier row that is removed during the extraction keep the total,
and may hide a row that moved to a page already fetched, while the removed row is still counted.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from common.errors import PaginationError, RequestRejected
from common.text import sanitize

# A longer cursor would not fit into a URL.
MAX_CURSOR_LENGTH: Final = 4_096
# The parts of a long cursor that a message shows; many cursors have the same beginning.
_HEAD: Final = 24
_TAIL: Final = 12
# More than thirty times the size of a marketplace's listing.
MAX_PAGES: Final = 5_000


@dataclass(frozen=True, slots=True)
class CursorPageInfo:
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


@dataclass(frozen=True, slots=True)
class PageInfo:
    """What offset pagination needs to know of a page.

    `keys` are the distinct keys of its rows; `others` counts its other rows: rejects, and duplicates inside
    the page. `total` is -1 where the API gives none. `unknown_names` are requested item names that the API
    does not know.
    """

    offset: int
    limit: int
    total: int
    has_next: bool = False
    keys: Sequence[Hashable] = ()
    fingerprint: str = ""
    others: int = 0
    unknown_names: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether the page has no row at all."""
        return not self.keys and not self.others


class OffsetPaginator:
    """Collect pages in any order; name the offsets to fetch until the listing is complete.

    Fetch `next_offsets()`, `add_page()` each of them, and repeat until no offset is left. Both methods raise
    PaginationError. `rows` are the distinct rows of the complete listing, those without a key included;
    `rounds` counts how often pages were fetched again; `emptied` collects the offsets of non-empty pages that
    lie beyond the end of a listing that has shrunk.
    """

    def __init__(self, source: str = "", rounds: int = 3) -> None:
        self._source = source
        self.rows = 0
        self.rounds = 0
        self.emptied: list[int] = []
        self._max_rounds = rounds
        self._pages: dict[int, PageInfo] = {}
        self._offset_of_content: dict[tuple[str, int], int] = {}
        self._total = -1
        self._requested = 0
        self._last_round: dict[int, str] | None = None

    def add_page(self, page: PageInfo) -> None:
        """Add a page; it replaces an earlier page of the same offset."""
        limit = next(iter(self._pages.values()), page).limit
        if page.limit != limit:
            raise PaginationError(
                f"the page size changed from {limit} to {page.limit} during the extraction", self._source
            )
        self._drop(page.offset)
        if not page.empty:
            self._check_content(page)
        self._pages[page.offset] = page
        self._total = page.total

    def next_offsets(self) -> tuple[int, ...]:
        """Return the offsets to fetch next, concurrently where there are several; none once complete."""
        offsets = self._missing_offsets() or self._stale_offsets()
        self._requested += len(offsets)
        self._check_length(self._requested)
        return offsets

    def _check_length(self, pages: int) -> None:
        if pages > MAX_PAGES:
            raise PaginationError(f"no end after {MAX_PAGES} pages", self._source)

    def _check_content(self, page: PageInfo) -> None:
        """Raise for the content of another offset, unless the listing has grown or shrunk in between."""
        other = self._offset_of_content.setdefault((page.fingerprint, page.total), page.offset)
        if other != page.offset:
            raise PaginationError(f"offsets {other} and {page.offset} returned the same page", self._source)

    def _drop(self, offset: int) -> PageInfo | None:
        page = self._pages.pop(offset, None)
        if page is not None:
            self._offset_of_content.pop((page.fingerprint, page.total), None)
        return page

    def _missing_offsets(self) -> tuple[int, ...]:
        """Return the offsets inside the listing that have no page."""
        if not self._pages:
            return (0,)
        self._drop_beyond_end()
        limit = self._pages[0].limit
        self._check_length(self._total // limit)  # before a range of absurd length is built
        missing = tuple(offset for offset in range(0, self._total, limit) if offset not in self._pages)
        return missing or self._offsets_after_last()

    def _offsets_after_last(self) -> tuple[int, ...]:
        """Follow `has_next`; with a known total, which may lag, follow it for one page only."""
        last = self._pages[max(self._pages)]
        if not last.has_next:
            return ()
        if 0 <= self._total <= last.offset:
            raise PaginationError(
                f"still more pages are promised after offset {last.offset} of {self._total}", self._source
            )
        return (last.offset + last.limit,)

    def _drop_beyond_end(self) -> None:
        """Drop the pages beyond the end of a listing that has shrunk since they were fetched."""
        last_pages = (offset for offset, page in self._pages.items() if not page.has_next)
        end = self._total if self._total >= 0 else min(last_pages, default=max(self._pages)) + 1
        # The first page stays, even of a listing that is empty now.
        for offset in sorted(offset for offset in self._pages if offset >= max(end, 1)):
            if self._pages[offset].total != self._total or self._total < 0:
                page = self._drop(offset)
                if page is not None and not page.empty:
                    self.emptied.append(offset)

    def _stale_offsets(self) -> tuple[int, ...]:
        """Return the pages whose total differs from the last page's; all pages where none does."""
        self.rows = self._count_distinct()
        if self._is_complete() or self._accept_if_stable():
            return ()
        if self.rounds == self._max_rounds:
            total = "an unknown total" if self._total < 0 else f"{self._total} in the last total"
            raise PaginationError(
                f"{self.rows} distinct rows of {self._count_received()} received, {total},"
                f" after {self.rounds} more rounds",
                self._source,
            )
        self.rounds += 1
        stale = tuple(offset for offset, page in self._pages.items() if page.total != self._total)
        # Only a round that fetches every page again can be compared with the pages before it.
        self._last_round = None if stale else self._fingerprints()
        return stale or tuple(self._pages)

    def _fingerprints(self) -> dict[int, str]:
        return {offset: page.fingerprint for offset, page in self._pages.items()}

    def _accept_if_stable(self) -> bool:
        """Accept two complete rounds with the same content: then the duplicate rows are the API's own."""
        same_total = all(page.total == self._total for page in self._pages.values())
        return (
            same_total
            and self._fingerprints() == self._last_round
            and self._total in {-1, self._count_received()}
        )

    def _is_complete(self) -> bool:
        """Compare the distinct rows with the total.

        A total that has grown is no drift if the distinct rows account for it. A total that has shrunk is: a
        row that vanished from a page already fetched moves another row to that page unseen, and the counts
        still agree.
        """
        if self._total < 0:
            return self.rows == self._count_received()
        return self.rows == self._total and all(page.total <= self._total for page in self._pages.values())

    def _count_distinct(self) -> int:
        keys: set[Hashable] = set()
        keys.update(*(page.keys for page in self._pages.values()))
        return len(keys) + sum(page.others for page in self._pages.values())

    def _count_received(self) -> int:
        return sum(len(page.keys) + page.others for page in self._pages.values())

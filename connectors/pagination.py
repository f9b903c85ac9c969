"""Offset pagination without I/O: which pages to request next, and whether they add up to a listing.

An offset paginator detects a repeated page, a listing without end, rows on two pages and missing rows. It
cannot detect one case: a row that is added and an earlier row that is removed during the extraction keep the
total, and may hide a row that moved to a page already fetched, while the removed row is still counted. So
does a repeat of a row that goes away, if the total counts the distinct rows only.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import Final

from msgspec import Struct

from common.errors import PaginationError

# More than thirty times the size of a marketplace's listing.
MAX_PAGES: Final = 5_000
# Of a listing that gives no total: five times the largest.
MAX_ROWS: Final = 200_000
# A listing that moves may become longer than it first said, though not twice as long and more.
PAGES_SLACK: Final = 20


class PageInfo(Struct, frozen=True):
    """What offset pagination needs to know of a page.

    `keys` are the distinct keys of its rows; `others` counts the distinct rows without a key, which are
    rejects; `repeats` counts the rows that repeat another row of the page. `total` is -1 where the API gives
    none. `unknown_names` are requested item names that the API does not know.
    """

    offset: int
    limit: int
    total: int
    has_next: bool = False
    keys: Sequence[Hashable] = ()
    fingerprint: str = ""
    others: int = 0
    repeats: int = 0
    unknown_names: tuple[str, ...] = ()

    @property
    def distinct_rows(self) -> int:
        """The rows of the page, each counted once."""
        return len(self.keys) + self.others

    @property
    def received_rows(self) -> int:
        """The rows of the page, repeats included."""
        return self.distinct_rows + self.repeats


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
        self._first_total: int | None = None
        self._last_round: dict[int, str] | None = None

    def add_page(self, page: PageInfo) -> None:
        """Add a page; it replaces an earlier page of the same offset."""
        limit = next(iter(self._pages.values()), page).limit
        if page.limit != limit:
            raise PaginationError(
                f"the page size changed from {limit} to {page.limit} during the extraction", self._source
            )
        self._drop(page.offset)
        if page.keys:  # the fingerprint is that of the keys
            self._check_content(page)
        self._pages[page.offset] = page
        self._total = page.total
        self._first_total = page.total if self._first_total is None else self._first_total

    def next_offsets(self) -> tuple[int, ...]:
        """Return the offsets to fetch next, concurrently where there are several; none once complete."""
        offsets = self._missing_offsets() or self._stale_offsets()
        self._check_length(len(self._pages.keys() | set(offsets)))
        return offsets

    def _check_length(self, pages: int) -> None:
        """Raise PaginationError for more pages than the first total, or the largest listing, can have."""
        if not self._pages:
            return
        limit, total = next(iter(self._pages.values())).limit, self._first_total
        most = MAX_ROWS // limit if total is None or total < 0 else 2 * total // limit
        most = min(most + PAGES_SLACK, MAX_PAGES)
        if pages > most:
            raise PaginationError(f"no end after {most} pages", self._source)

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
        limit = next(iter(self._pages.values())).limit
        self._check_length(self._total // limit)  # before a range of absurd length is built
        end = max(self._total, *self._pages)  # where rows repeat, pages may lie beyond the total
        missing = tuple(offset for offset in range(0, end, limit) if offset not in self._pages)
        return missing or self._offsets_after_last()

    def _offsets_after_last(self) -> tuple[int, ...]:
        """Follow `has_next`; with a known total, which may lag, follow it for one page only.

        Where rows repeat, a total of the distinct rows ends before the pages do: follow `has_next` until the
        rows are as many as the total, but only while each page brings a row that no other page has.
        """
        last = self._pages[max(self._pages)]
        if not last.has_next:
            return ()
        if 0 <= self._total <= last.offset and not self._approaches_total(last):
            raise PaginationError(
                f"still more pages are promised after offset {last.offset} of {self._total}", self._source
            )
        return (last.offset + last.limit,)

    def _approaches_total(self, last: PageInfo) -> bool:
        others = (page for page in self._pages.values() if page is not last)
        rows = _count_distinct(self._pages.values())
        return _count_distinct(others) < rows < self._total

    def _drop_beyond_end(self) -> None:
        """Drop the pages beyond the end of a listing that has shrunk since they were fetched."""
        last_pages = (offset for offset, page in self._pages.items() if not page.has_next)
        end = self._total if self._total >= 0 else min(last_pages, default=max(self._pages)) + 1
        # The first page stays, even of a listing that is empty now.
        for offset in sorted(offset for offset in self._pages if offset >= max(end, 1)):
            if self._pages[offset].total != self._total or self._total < 0:
                page = self._drop(offset)
                if page is not None and page.received_rows:
                    self.emptied.append(offset)

    def _stale_offsets(self) -> tuple[int, ...]:
        """Return the pages whose total differs from the last page's; all pages where none does."""
        self.rows = _count_distinct(self._pages.values())
        if self._is_complete() or self._accept_if_stable():
            return ()
        if self.rounds == self._max_rounds:
            total = "an unknown total" if self._total < 0 else f"{self._total} in the last total"
            raise PaginationError(
                f"{self.rows} distinct rows of {self._received_rows} received, {total},"
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
        """Accept two complete rounds with the same content: then the rows on two pages are the API's own."""
        same_total = all(page.total == self._total for page in self._pages.values())
        return (
            same_total
            and self._fingerprints() == self._last_round
            and self._total in {-1, self._rows_by_page, self._received_rows}
        )

    def _is_complete(self) -> bool:
        """Compare the distinct rows with the total.

        A total that has grown is no drift if the distinct rows account for it. A total that has shrunk is: a
        row that vanished from a page already fetched moves another row to that page unseen, and the counts
        still agree.
        """
        if self._total < 0:
            return self.rows == self._rows_by_page
        if self.rows == self._total:
            return all(page.total <= self._total for page in self._pages.values())
        return self._total == self._received_rows and self._total_counts_repeats()

    def _total_counts_repeats(self) -> bool:
        """Tell whether the total counts the rows that pages repeat, so that no repeat stands for a lost row.

        Then each page has the same total, and promises another page where the total does. A row on two pages
        may have moved, and hide another one that moved in the other direction.
        """
        return self.rows == self._rows_by_page and all(
            page.total == self._total and page.has_next == (page.offset + page.limit < self._total)
            for page in self._pages.values()
        )

    @property
    def _rows_by_page(self) -> int:
        """The distinct rows of each page; a row on two pages counts twice."""
        return sum(page.distinct_rows for page in self._pages.values())

    @property
    def _received_rows(self) -> int:
        return sum(page.received_rows for page in self._pages.values())


def _count_distinct(pages: Iterable[PageInfo]) -> int:
    """Count the distinct rows of all pages, those without a key included."""
    keys: set[Hashable] = set()
    others = 0
    for page in pages:
        keys.update(page.keys)
        others += page.others
    return len(keys) + others

"""One offset walk, without I/O: which pages to ask for next, and whether they add up to a listing.

What counts can show: a page that is another one again, a listing without end, rows that came twice, rows that
are missing. What they cannot: inside one walk, a row added and another removed before it keep the total, and
may hide one row that slipped over a seam while a removed one is still held.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from common.errors import PaginationError, RequestRejected
from common.text import sanitize

# A longer one would not fit into an address.
MAX_CURSOR_LENGTH: Final = 4_096
# What of a cursor is shown: cursors often begin alike.
_HEAD: Final = 24
_TAIL: Final = 12


@dataclass(frozen=True, slots=True)
class CursorPageInfo:
    """What paging needs to know of a page.

    `newest` and `oldest` are the times of its rows, None where it has none; `fingerprint` stands for all that
    it brought.
    """

    next_cursor: str | None
    has_next: bool
    newest: datetime | None
    oldest: datetime | None
    fingerprint: Hashable


class CursorPaginator:
    """Take pages, newest first, one after another, until there is none or they are older than `since`.

    Ask with `cursor`; `check` the page that comes, keep it, and `follow` it; until `ended`. Both raise
    WalkBroken. `number` counts the pages, those before `cursor` included.
    """

    def __init__(self, source: str, since: datetime, cursor: str | None = None, number: int = 0) -> None:
        self.cursor = cursor
        self.number = number
        self.ended = False
        self._source = source
        self._since = since
        self._before: str | None = None
        self._asked = {cursor}
        self._reached: datetime | None = None
        self._brought: set[Hashable] = set()

    def next_cursor(self, leaf: CursorPageInfo) -> str | None:
        """Return the cursor of the next page; None where no other is wanted."""
        return leaf.next_cursor if self._goes_on(leaf) else None

    def check(self, leaf: CursorPageInfo) -> None:
        """See that a page goes on where the last one ended, before it is kept."""
        if self._reached and leaf.newest and leaf.newest > self._reached:
            began, reached = (f"{moment:%Y-%m-%d %H:%M:%S}" for moment in (leaf.newest, self._reached))
            raise self._broken(f"brought a page from {began} on, though {reached} had been reached")
        if self._goes_on(leaf) and not leaf.next_cursor:
            raise self._broken("promises another page and names no cursor")
        if self._goes_on(leaf) and leaf.fingerprint in self._brought:
            raise self._broken("brought a page that had come before")

    def advance(self, leaf: CursorPageInfo) -> None:
        """Go on to the page that `leaf` leads to."""
        following = self.next_cursor(leaf)
        if following is not None and following in self._asked:
            before, after = shorten_cursor(self.cursor), shorten_cursor(following)
            raise PaginationError(f"{before} led to {after}, which was asked for before", self._source)
        self._remember(leaf)
        self._before, self.cursor = self.cursor, following
        self._asked.add(following)
        self.number += 1
        self.ended = following is None

    def explain_rejected_cursor(self, error: RequestRejected) -> PaginationError:
        """Return what it means that the API refused the cursor, in its own words."""
        told = self._broken(f"was refused: {error.detail}")
        return PaginationError(told.detail, error.source, error.code, error.status, error.request_id)

    def _goes_on(self, leaf: CursorPageInfo) -> bool:
        return leaf.has_next and not (leaf.oldest is not None and leaf.oldest < self._since)

    def _remember(self, leaf: CursorPageInfo) -> None:
        """Keep what a page brought until a later one is older."""
        if leaf.oldest is not None and (self._reached is None or leaf.oldest < self._reached):
            self._reached = leaf.oldest
            self._brought.clear()
        self._brought.add(leaf.fingerprint)

    def _broken(self, what: str) -> PaginationError:
        led = f", to which {shorten_cursor(self._before)} led," if len(self._asked) > 1 else ""
        return PaginationError(f"{shorten_cursor(self.cursor)}{led} {what}", self._source)


def shorten_cursor(cursor: str | None) -> str:
    """Name a cursor, which is an API's string, on one line of a log: its head and its tail, if it is long."""
    if cursor is None:
        return "the first page"
    text = sanitize(cursor, MAX_CURSOR_LENGTH)
    return f"cursor {text if len(text) <= _HEAD + _TAIL else f'{text[:_HEAD]}…{text[-_TAIL:]}'}"


# More than thirty times a marketplace's listing; whatever goes on longer is no listing.
MAX_PAGES = 5_000


@dataclass(frozen=True, slots=True)
class PageInfo:
    """What paging needs to know of a page.

    `keys` are its rows' keys, each once; `others` counts the rows that came but have no place among the keys:
    rejects, and repeats inside the page. `total` is -1 where the API does not tell it. `strangers` are names
    that were asked for and that the API does not know.
    """

    offset: int
    limit: int
    total: int
    has_next: bool
    keys: Sequence[Hashable]
    fingerprint: str
    others: int = 0
    strangers: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether no row came at all."""
        return not self.keys and not self.others


class OffsetPaginator:
    """Take sheets in any order; say what is wanted until the listing is whole.

    Ask `wanted()`, `accept()` an answer for each offset it names, and ask again until it names none. Both
    raise WalkBroken. `rows` are the distinct rows once all is there, those without a key included; `rounds`
    counts how often pages were walked again; `emptied` collects the offsets that held rows and now lie beyond
    the end of a listing that has shrunk.
    """

    def __init__(self, source: str = "", rounds: int = 3) -> None:
        self._source = source
        self.rows = 0
        self.rounds = 0
        self.emptied: list[int] = []
        self._most_rounds = rounds
        self._sheets: dict[int, PageInfo] = {}
        self._seen: dict[tuple[str, int], int] = {}
        self._total = -1
        self._asked = 0
        self._before: dict[int, str] | None = None

    def add_page(self, sheet: PageInfo) -> None:
        """Take an answer; a later one for the same offset replaces the earlier."""
        limit = next(iter(self._sheets.values()), sheet).limit
        if sheet.limit != limit:
            raise PaginationError(
                f"the page size changed from {limit} to {sheet.limit} inside the walk", self._source
            )
        self._drop(sheet.offset)
        if not sheet.empty:
            self._remember(sheet)
        self._sheets[sheet.offset] = sheet
        self._total = sheet.total

    def next_offsets(self) -> tuple[int, ...]:
        """Return the offsets to fetch next, concurrently where there are several; none when all is there."""
        wanted = self._missing() or self._stale_offsets()
        self._asked += len(wanted)
        self._check_length(self._asked)
        return wanted

    def _check_length(self, pages: int) -> None:
        if pages > MAX_PAGES:
            raise PaginationError(f"no end after {MAX_PAGES} pages", self._source)

    def _remember(self, sheet: PageInfo) -> None:
        """Break on rows that another offset had, unless the listing has grown or shrunk between the two."""
        other = self._seen.setdefault((sheet.fingerprint, sheet.total), sheet.offset)
        if other != sheet.offset:
            raise PaginationError(f"offsets {other} and {sheet.offset} brought the same page", self._source)

    def _drop(self, offset: int) -> PageInfo | None:
        sheet = self._sheets.pop(offset, None)
        if sheet is not None:
            self._seen.pop((sheet.fingerprint, sheet.total), None)
        return sheet

    def _missing(self) -> tuple[int, ...]:
        """Return the offsets that the listing reaches to and that no sheet is there for."""
        if not self._sheets:
            return (0,)
        self._drop_beyond_end()
        limit = self._sheets[0].limit
        self._check_length(self._total // limit)
        missing = tuple(at for at in range(0, self._total, limit) if at not in self._sheets)
        return missing or self._offsets_after_last()

    def _offsets_after_last(self) -> tuple[int, ...]:
        """Follow a `has_next`; where a total is told, one page past it, which may lag, and no further."""
        last = self._sheets[max(self._sheets)]
        if not last.has_next:
            return ()
        if 0 <= self._total <= last.offset:
            raise PaginationError(
                f"still more pages are promised after offset {last.offset} of {self._total}", self._source
            )
        return (last.offset + last.limit,)

    def _drop_beyond_end(self) -> None:
        """Drop what lies beyond the end of a listing that has shrunk since."""
        ends = (at for at, sheet in self._sheets.items() if not sheet.has_next)
        end = self._total if self._total >= 0 else min(ends, default=max(self._sheets)) + 1
        for offset in sorted(at for at in self._sheets if at >= max(end, 1)):
            if self._sheets[offset].total != self._total or self._total < 0:
                sheet = self._drop(offset)
                if sheet is not None and not sheet.empty:
                    self.emptied.append(offset)

    def _stale_offsets(self) -> tuple[int, ...]:
        """Return the pages of another listing than the last page's; all of them where none is told apart."""
        self.rows = self._distinct()
        if self._is_complete() or self._accept_if_stable():
            return ()
        if self.rounds == self._most_rounds:
            raise PaginationError(f"{self._counts()}, after {self.rounds} more rounds", self._source)
        self.rounds += 1
        other = tuple(at for at, sheet in self._sheets.items() if sheet.total != self._total)
        self._before = None if other else self._fingerprints()
        return other or tuple(self._sheets)

    def _fingerprints(self) -> dict[int, str]:
        return {offset: sheet.fingerprint for offset, sheet in self._sheets.items()}

    def _accept_if_stable(self) -> bool:
        """Accept what two whole rounds brought alike: then rows that come twice are the API's own."""
        agreed = all(sheet.total == self._total for sheet in self._sheets.values())
        return agreed and self._fingerprints() == self._before and self._total in {-1, self._received()}

    def _is_complete(self) -> bool:
        """Compare counts.

        A total that grew is no drift if the distinct rows account for it. One that was higher before is: a
        row that vanished from a page already held shifts another over a seam unseen, and the counts agree.
        """
        if self._total < 0:
            return self.rows == self._received()
        return self.rows == self._total and all(sheet.total <= self._total for sheet in self._sheets.values())

    def _distinct(self) -> int:
        keys: set[Hashable] = set()
        keys.update(*(sheet.keys for sheet in self._sheets.values()))
        return len(keys) + sum(sheet.others for sheet in self._sheets.values())

    def _received(self) -> int:
        return sum(len(sheet.keys) + sheet.others for sheet in self._sheets.values())

    def _counts(self) -> str:
        told = "an unknown total" if self._total < 0 else f"{self._total} in the last total"
        return f"{self.rows} distinct rows of {self._received()} received, {told}"

"""One offset walk, without I/O: which pages to ask for next, and whether they add up to a listing.

What counts can show: a page that is another one again, a listing without end, rows that came twice, rows that
are missing. What they cannot: inside one walk, a row added and another removed before it keep the total, and
may hide one row that slipped over a seam while a removed one is still held.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from connectors.errors import WalkBroken

# More than thirty times a marketplace's listing; whatever goes on longer is no listing.
MOST_PAGES = 5_000


@dataclass(frozen=True, slots=True)
class Sheet:
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


class OffsetWalk:
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
        self._sheets: dict[int, Sheet] = {}
        self._seen: dict[tuple[str, int], int] = {}
        self._total = -1
        self._asked = 0
        self._before: dict[int, str] | None = None

    def accept(self, sheet: Sheet) -> None:
        """Take an answer; a later one for the same offset replaces the earlier."""
        limit = next(iter(self._sheets.values()), sheet).limit
        if sheet.limit != limit:
            raise WalkBroken(
                f"the page size changed from {limit} to {sheet.limit} inside the walk", self._source
            )
        self._drop(sheet.offset)
        if not sheet.empty:
            self._remember(sheet)
        self._sheets[sheet.offset] = sheet
        self._total = sheet.total

    def wanted(self) -> tuple[int, ...]:
        """Return the offsets to fetch next, concurrently where there are several; none when all is there."""
        wanted = self._missing() or self._to_walk_again()
        self._asked += len(wanted)
        self._check_length(self._asked)
        return wanted

    def _check_length(self, pages: int) -> None:
        if pages > MOST_PAGES:
            raise WalkBroken(f"no end after {MOST_PAGES} pages", self._source)

    def _remember(self, sheet: Sheet) -> None:
        """Break on rows that another offset had, unless the listing has grown or shrunk between the two."""
        other = self._seen.setdefault((sheet.fingerprint, sheet.total), sheet.offset)
        if other != sheet.offset:
            raise WalkBroken(f"offsets {other} and {sheet.offset} brought the same page", self._source)

    def _drop(self, offset: int) -> Sheet | None:
        sheet = self._sheets.pop(offset, None)
        if sheet is not None:
            self._seen.pop((sheet.fingerprint, sheet.total), None)
        return sheet

    def _missing(self) -> tuple[int, ...]:
        """Return the offsets that the listing reaches to and that no sheet is there for."""
        if not self._sheets:
            return (0,)
        self._cut()
        limit = self._sheets[0].limit
        self._check_length(self._total // limit)
        missing = tuple(at for at in range(0, self._total, limit) if at not in self._sheets)
        return missing or self._promised()

    def _promised(self) -> tuple[int, ...]:
        """Follow a `has_next`; where a total is told, one page past it, which may lag, and no further."""
        last = self._sheets[max(self._sheets)]
        if not last.has_next:
            return ()
        if 0 <= self._total <= last.offset:
            raise WalkBroken(
                f"still more pages are promised after offset {last.offset} of {self._total}", self._source
            )
        return (last.offset + last.limit,)

    def _cut(self) -> None:
        """Drop what lies beyond the end of a listing that has shrunk since."""
        ends = (at for at, sheet in self._sheets.items() if not sheet.has_next)
        end = self._total if self._total >= 0 else min(ends, default=max(self._sheets)) + 1
        for offset in sorted(at for at in self._sheets if at >= max(end, 1)):
            if self._sheets[offset].total != self._total or self._total < 0:
                sheet = self._drop(offset)
                if sheet is not None and not sheet.empty:
                    self.emptied.append(offset)

    def _to_walk_again(self) -> tuple[int, ...]:
        """Return the pages of another listing than the last page's; all of them where none is told apart."""
        self.rows = self._distinct()
        if self._whole() or self._unmoved():
            return ()
        if self.rounds == self._most_rounds:
            raise WalkBroken(f"{self._tally()}, after {self.rounds} more rounds", self._source)
        self.rounds += 1
        other = tuple(at for at, sheet in self._sheets.items() if sheet.total != self._total)
        self._before = None if other else self._prints()
        return other or tuple(self._sheets)

    def _prints(self) -> dict[int, str]:
        return {offset: sheet.fingerprint for offset, sheet in self._sheets.items()}

    def _unmoved(self) -> bool:
        """Accept what two whole rounds brought alike: then rows that come twice are the API's own."""
        agreed = all(sheet.total == self._total for sheet in self._sheets.values())
        return agreed and self._prints() == self._before and self._total in {-1, self._received()}

    def _whole(self) -> bool:
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

    def _tally(self) -> str:
        told = "an unknown total" if self._total < 0 else f"{self._total} in the last total"
        return f"{self.rows} distinct rows of {self._received()} received, {told}"

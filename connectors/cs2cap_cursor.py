"""One cursor walk, without I/O: with what to ask for the next page, and when cursors lead nowhere.

A walk that goes on from a cursor does not know what came before it: a round is then seen when it closes.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from connectors.errors import RequestRejected, WalkBroken, plain

# A longer one would not fit into an address.
MOST_CURSOR: Final = 4_096
# What of a cursor is shown: cursors often begin alike.
_HEAD: Final = 24
_TAIL: Final = 12


@dataclass(frozen=True, slots=True)
class Leaf:
    """What paging needs to know of a page.

    `newest` and `oldest` are the times of its rows, None where it has none; `fingerprint` stands for all that
    it brought.
    """

    next_cursor: str | None
    has_next: bool
    newest: datetime | None
    oldest: datetime | None
    fingerprint: Hashable


class CursorWalk:
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

    def leads_to(self, leaf: Leaf) -> str | None:
        """Return the cursor of the next page; None where no other is wanted."""
        return leaf.next_cursor if self._goes_on(leaf) else None

    def check(self, leaf: Leaf) -> None:
        """See that a page goes on where the last one ended, before it is kept."""
        if self._reached and leaf.newest and leaf.newest > self._reached:
            began, reached = (f"{moment:%Y-%m-%d %H:%M:%S}" for moment in (leaf.newest, self._reached))
            raise self._broken(f"brought a page from {began} on, though {reached} had been reached")
        if self._goes_on(leaf) and not leaf.next_cursor:
            raise self._broken("promises another page and names no cursor")
        if self._goes_on(leaf) and leaf.fingerprint in self._brought:
            raise self._broken("brought a page that had come before")

    def follow(self, leaf: Leaf) -> None:
        """Go on to the page that `leaf` leads to."""
        following = self.leads_to(leaf)
        if following is not None and following in self._asked:
            told = f"{shown(self.cursor)} led to {shown(following)}, which was asked for before"
            raise WalkBroken(told, self._source)
        self._remember(leaf)
        self._before, self.cursor = self.cursor, following
        self._asked.add(following)
        self.number += 1
        self.ended = following is None

    def refused(self, error: RequestRejected) -> WalkBroken:
        """Return what it means that the API refused the cursor, in its own words."""
        told = self._broken(f"was refused: {error.detail}")
        return WalkBroken(told.detail, error.source, error.code, error.status, error.request_id)

    def _goes_on(self, leaf: Leaf) -> bool:
        return leaf.has_next and not (leaf.oldest is not None and leaf.oldest < self._since)

    def _remember(self, leaf: Leaf) -> None:
        """Keep what a page brought until a later one is older."""
        if leaf.oldest is not None and (self._reached is None or leaf.oldest < self._reached):
            self._reached = leaf.oldest
            self._brought.clear()
        self._brought.add(leaf.fingerprint)

    def _broken(self, what: str) -> WalkBroken:
        led = f", to which {shown(self._before)} led," if len(self._asked) > 1 else ""
        return WalkBroken(f"{shown(self.cursor)}{led} {what}", self._source)


def shown(cursor: str | None) -> str:
    """Name a cursor, which is an API's string, on one line of a log: its head and its tail, if it is long."""
    if cursor is None:
        return "the first page"
    text = plain(cursor, MOST_CURSOR)
    return f"cursor {text if len(text) <= _HEAD + _TAIL else f'{text[:_HEAD]}…{text[-_TAIL:]}'}"

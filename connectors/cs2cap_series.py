"""The walk of one shard of a series: page after page, each landed before the next is asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from connectors import cs2cap_candles as candles
from connectors import cs2cap_history as history
from connectors import cs2cap_sales as sales
from connectors.base import Outcome
from connectors.client import Client
from connectors.cs2cap_cursor import CursorWalk, Leaf
from connectors.cs2cap_sift import Told
from connectors.errors import FloorlineError, RequestRejected
from connectors.inflate import Inflate
from connectors.series import LandSeries, Series, SeriesAsk, SeriesPage, told_retention
from connectors.wire import Params

# How a cursor is refused.
_REFUSED: Final = frozenset({400, 410, 422})


@dataclass(frozen=True, slots=True)
class _Route:
    """How a series is asked for at a moment, and read; `rows` is how many a page has, None for the most.

    What the API's tiers allow is what it defaults to. Candles know no pages, and refuse a limit.
    """

    path: str
    params: Callable[[SeriesAsk, datetime], Params]
    read: Callable[[bytes, SeriesAsk, Mapping[str, str], str], Told]
    rows: int | None = None
    paged: bool = True


_ROUTES: Final[Mapping[Series, _Route]] = {
    "points": _Route(history.PATH, lambda ask, _now: history.params(ask), history.read, 1_000),
    "candles": _Route(
        candles.PATH,
        candles.params,
        lambda body, ask, _providers, source: candles.read(body, ask, source),
        paged=False,
    ),
    "sales": _Route(sales.PATH, lambda ask, _now: sales.params(ask), sales.read),
}


class SeriesWalk:
    """What `ask` asks for, page by page as `paging` says.

    `providers` maps what the API may call a provider to its key; `limit` is the rows to ask for in a page,
    where they are not to be as many as there can be.
    """

    def __init__(
        self,
        client: Client,
        ask: SeriesAsk,
        land: LandSeries,
        *,
        providers: Mapping[str, str],
        paging: CursorWalk,
        limit: int | None,
    ) -> None:
        self._client = client
        self._ask = ask
        self._land = land
        self._providers = providers
        self._paging = paging
        self._route = _ROUTES[ask.series]
        self._limit = (limit or self._route.rows) if self._route.paged else None
        self._pages = 0
        self._rows = 0

    async def run(self) -> Outcome:
        """Fetch and land to the end; raises FloorlineErrors."""
        while not self._paging.ended:
            try:
                await self._client.read(self._route.path, self._params(), self._arrived)
            except RequestRejected as error:
                raise self._explained(error) from None
        return Outcome(self._pages, self._rows, 0)

    def _params(self) -> Params:
        params = list(self._route.params(self._ask, self._client.moment({})))
        if self._limit is not None:
            params.append(("limit", str(self._limit)))
        return params if self._paging.cursor is None else [*params, ("cursor", self._paging.cursor)]

    async def _arrived(self, inflate: Inflate, moment: datetime) -> None:
        answer = self._route.read(inflate(), self._ask, self._providers, self._client.source)
        leaf = _leaf(answer)
        self._paging.check(leaf)
        page = self._page(answer, leaf, moment)
        await self._land(page)
        self._pages += 1
        self._rows += page.rows.height
        self._paging.follow(leaf)

    def _page(self, answer: Told, leaf: Leaf, moment: datetime) -> SeriesPage:
        inside = pl.col("time").is_between(self._ask.start, self._ask.end, closed="left")
        rows = answer.rows.filter(inside)
        return SeriesPage(
            number=self._paging.number,
            cursor=self._paging.cursor,
            next_cursor=self._paging.leads_to(leaf),
            observed_at=moment,
            rows=rows,
            rejects=answer.rejects,
            unknown_fields=answer.unknown_fields,
            oldest=_times(rows)[0],
        )

    def _explained(self, error: RequestRejected) -> FloorlineError:
        """Tell a cursor that is refused from anything else that is."""
        about = self._paging.cursor is not None and told_retention(error.detail) is None
        return self._paging.refused(error) if about and error.status in _REFUSED else error


def _leaf(answer: Told) -> Leaf:
    oldest, newest = _times(answer.rows)
    return Leaf(answer.next_cursor, answer.has_next, newest, oldest, answer.fingerprint)


def _times(rows: pl.DataFrame) -> tuple[datetime | None, datetime | None]:
    """The times of the oldest and of the newest row."""
    return rows.select(oldest=pl.col("time").min(), newest=pl.col("time").max()).row(0)

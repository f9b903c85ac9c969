"""The walk of one shard of a series: page after page, each landed before the next is asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from common.errors import RequestRejected, SourceError
from common.shards import SeriesShard
from connectors.base import ExtractResult
from connectors.cs2cap.series import candles, history, sales
from connectors.cs2cap.series.parser import SeriesResponse
from connectors.http.client import Client
from connectors.http.compression import Decompress
from connectors.http.transport import Params
from connectors.pagination import CursorPageInfo, CursorPaginator
from connectors.series import Series, SeriesPage, SeriesPageSink, parse_retention_days

# How a cursor is refused.
_REFUSED: Final = frozenset({400, 410, 422})


@dataclass(frozen=True, slots=True)
class _SeriesRoute:
    """How a series is asked for at a moment, and read; `rows` is how many a page has, None for the most.

    What the API's tiers allow is what it defaults to. Candles know no pages, and refuse a limit.
    """

    path: str
    params: Callable[[SeriesShard, datetime], Params]
    read: Callable[[bytes, SeriesShard, Mapping[str, str], str], SeriesResponse]
    rows: int | None = None
    paged: bool = True


_ROUTES: Final[Mapping[Series, _SeriesRoute]] = {
    "points": _SeriesRoute(history.PATH, lambda ask, _now: history.build_params(ask), history.parse, 1_000),
    "candles": _SeriesRoute(
        candles.PATH,
        candles.build_params,
        lambda body, ask, _providers, source: candles.parse(body, ask, source),
        paged=False,
    ),
    "sales": _SeriesRoute(sales.PATH, lambda ask, _now: sales.build_params(ask), sales.parse),
}


class SeriesExtraction:
    """What `ask` asks for, page by page as `paging` says.

    `providers` maps what the API may call a provider to its key; `limit` is the rows to ask for in a page,
    where they are not to be as many as there can be.
    """

    def __init__(
        self,
        client: Client,
        series: Series,
        ask: SeriesShard,
        land: SeriesPageSink,
        *,
        providers: Mapping[str, str],
        paging: CursorPaginator,
        limit: int | None,
    ) -> None:
        self._client = client
        self._ask = ask
        self._land = land
        self._providers = providers
        self._paging = paging
        self._route = _ROUTES[series]
        self._limit = (limit or self._route.rows) if self._route.paged else None
        self._pages = 0
        self._rows = 0

    async def run(self) -> ExtractResult:
        """Fetch and land to the end; raises FloorlineErrors."""
        while not self._paging.ended:
            try:
                await self._client.read(self._route.path, self._params(), self._parse)
            except RequestRejected as error:
                raise self._translate(error) from None
        return ExtractResult(self._pages, self._rows, 0)

    def _params(self) -> Params:
        params = list(self._route.params(self._ask, self._client.server_time({})))
        if self._limit is not None:
            params.append(("limit", str(self._limit)))
        return params if self._paging.cursor is None else [*params, ("cursor", self._paging.cursor)]

    async def _parse(self, inflate: Decompress, moment: datetime) -> None:
        answer = self._route.read(inflate(), self._ask, self._providers, self._client.source)
        leaf = _page_info(answer)
        self._paging.check(leaf)
        page = self._page(answer, leaf, moment)
        await self._land(page)
        self._pages += 1
        self._rows += page.rows.height
        self._paging.advance(leaf)

    def _page(self, answer: SeriesResponse, leaf: CursorPageInfo, moment: datetime) -> SeriesPage:
        inside = pl.col("time").is_between(self._ask.start, self._ask.end, closed="left")
        rows = answer.rows.filter(inside)
        return SeriesPage(
            number=self._paging.number,
            cursor=self._paging.cursor,
            next_cursor=self._paging.next_cursor(leaf),
            observed_at=moment,
            rows=rows,
            rejects=answer.rejects,
            unknown_fields=answer.unknown_fields,
            oldest=_times(rows)[0],
        )

    def _translate(self, error: RequestRejected) -> SourceError:
        """Tell a cursor that is refused from anything else that is."""
        about = self._paging.cursor is not None and parse_retention_days(error.detail) is None
        return self._paging.explain_rejected_cursor(error) if about and error.status in _REFUSED else error


def _page_info(answer: SeriesResponse) -> CursorPageInfo:
    oldest, newest = _times(answer.rows)
    return CursorPageInfo(answer.next_cursor, answer.has_next, newest, oldest, answer.fingerprint)


def _times(rows: pl.DataFrame) -> tuple[datetime | None, datetime | None]:
    """The times of the oldest and of the newest row."""
    return rows.select(oldest=pl.col("time").min(), newest=pl.col("time").max()).row(0)

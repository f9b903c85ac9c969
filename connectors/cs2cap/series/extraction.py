"""Extract one shard of a series by cursor: each page is landed before the next one is requested."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from common.errors import RequestRejected, SourceError
from common.shards import SeriesShard
from connectors.base import ExtractResult
from connectors.cs2cap.series import candles, daily, history, sales
from connectors.cs2cap.series.parser import SeriesQuery, SeriesResponse
from connectors.cursor_pagination import CursorPageInfo, CursorPaginator
from connectors.http.client import Client
from connectors.http.encoded_body import Decompress
from connectors.http.transport import Params
from connectors.series import Series, SeriesPage, SeriesPageSink, parse_retention_days

# The API's statuses for a cursor that it does not accept.
_CURSOR_REJECTED: Final = frozenset({400, 410, 422})


@dataclass(frozen=True, slots=True)
class _SeriesRoute:
    """How to request and parse a series; a page has `page_size` rows, or the API's default for the tier."""

    path: str
    build_params: Callable[[SeriesQuery], list[tuple[str, str]]]
    parse: Callable[[bytes, SeriesQuery], SeriesResponse]
    page_size: int | None = None
    paged: bool = True


_ROUTES: Final[Mapping[Series, _SeriesRoute]] = {
    "points": _SeriesRoute(history.PATH, history.build_params, history.parse, page_size=1_000),
    # The API answers a window of candles or of daily points at once; of candles, it rejects a limit.
    "candles": _SeriesRoute(candles.PATH, candles.build_params, candles.parse, paged=False),
    "sales": _SeriesRoute(sales.PATH, sales.build_params, sales.parse),
    "daily": _SeriesRoute(daily.PATH, daily.build_params, daily.parse, paged=False),
}


class SeriesExtraction:
    """The extraction of one `shard` of `series`, page by page.

    `providers` maps whatever the API may call a provider to its key; `limit` is the page size to request,
    None for the route's own.
    """

    def __init__(
        self,
        client: Client,
        shard: SeriesShard,
        sink: SeriesPageSink,
        *,
        series: Series,
        providers: Mapping[str, str],
        paginator: CursorPaginator,
        limit: int | None,
    ) -> None:
        self._client = client
        self._sink = sink
        clock = client.source_clock
        self._query = SeriesQuery(
            client.source, shard, providers, now=clock.read({}), is_ahead=clock.is_ahead
        )
        self._paginator = paginator
        self._route = _ROUTES[series]
        self._limit = (limit or self._route.page_size) if self._route.paged else None
        self._pages = 0
        self._rows = 0

    async def run(self) -> ExtractResult:
        """Fetch and land every page; raises SourceErrors."""
        while not self._paginator.ended:
            try:
                await self._client.read(self._route.path, self._params(), self._parse)
            except RequestRejected as error:
                raise self._translate(error) from None
        return ExtractResult(self._pages, self._rows, rounds=0)

    def _params(self) -> Params:
        params = self._route.build_params(self._query)
        if self._limit is not None:
            params.append(("limit", str(self._limit)))
        if self._paginator.cursor is not None:
            params.append(("cursor", self._paginator.cursor))
        return params

    async def _parse(self, decompress: Decompress, observed_at: datetime) -> None:
        response = self._route.parse(decompress(), self._query)
        info = _page_info(response)
        self._paginator.check(info)
        page = self._page(response, info, observed_at)
        # Only a landed page moves the cursor: an interrupted extraction requests this page again.
        await self._sink(page)
        self._pages += 1
        self._rows += page.rows.height
        self._paginator.advance(info)

    def _page(self, response: SeriesResponse, info: CursorPageInfo, observed_at: datetime) -> SeriesPage:
        shard = self._query.shard
        rows = response.rows.filter(pl.col("time").is_between(shard.start, shard.end, closed="left"))
        return SeriesPage(
            number=self._paginator.number,
            cursor=self._paginator.cursor,
            next_cursor=self._paginator.next_cursor(info),
            observed_at=observed_at,
            rows=rows,
            rejects=response.rejects,
            unknown_fields=response.unknown_fields,
            oldest=_time_range(rows)[0],
        )

    def _translate(self, error: RequestRejected) -> SourceError:
        """Return a PaginationError where the API rejected the cursor, else `error`."""
        with_cursor = self._paginator.cursor is not None and error.status in _CURSOR_REJECTED
        if with_cursor and parse_retention_days(error.detail) is None:
            return self._paginator.explain_rejected_cursor(error)
        return error


def _page_info(response: SeriesResponse) -> CursorPageInfo:
    oldest, newest = _time_range(response.rows)
    return CursorPageInfo(
        response.next_cursor, response.has_next, newest, oldest=oldest, fingerprint=response.fingerprint
    )


def _time_range(rows: pl.DataFrame) -> tuple[datetime | None, datetime | None]:
    return rows.select(oldest=pl.col("time").min(), newest=pl.col("time").max()).row(0)

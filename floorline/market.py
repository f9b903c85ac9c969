"""The prices of a warehouse as Polars frames: the class behind `floorline.open`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, Unpack

from common.errors import FloorlineError
from common.shards import Item
from common.text import escape
from common.time_ranges import INTERVALS, Interval
from common.warehouse_errors import ItemUnknown
from floorline.selection import Filters, Query, When, parse_period, resolve_moment
from warehouse.paths import Database, WarehousePaths
from warehouse.queries.generation import Generation, Parameters
from warehouse.queries.session import path_of

if TYPE_CHECKING:
    from types import TracebackType

    import duckdb
    import polars as pl
    import pyarrow as pa

NEAREST: Final = 3  # names that an error offers in place of an unknown one


class Market:
    """The published database at `path` as it was when opened.

    `path` is the folder of a warehouse, a .duckdb file, or a floorline.toml, whose warehouse may be shared.

    All amounts are exact decimals in `currency`: what is quoted in another one is left out, nothing is
    converted. All times are in UTC. A publish changes nothing here until `refresh`. Use a market in one
    thread, and close it, or use it in a `with` statement. Every method raises SealedMonthUnreadable where a
    file of the history that it needs is missing.

    Raises NotPublished where nothing is published yet, and PublishedUnreadable for a damaged file.
    """

    def __init__(self, path: str | Path | Database = "data", currency: str = "USD") -> None:
        self.database = _locate(path) if isinstance(path, str | Path) else path
        self.currency = currency
        self.moment: datetime | None = None
        self._generation = Generation(self.database)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        moment = "" if self.moment is None else f" as of {self.moment:%Y-%m-%d %H:%M:%SZ}"
        return f"<Market {self.database} in {self.currency}{moment}>"

    @property
    def path(self) -> Path | None:
        """The published file; None for a lake, which has no file of its own."""
        return path_of(self.database)

    def close(self) -> None:
        """Close the database, also for the markets of `as_of`. Frames stay valid."""
        self._generation.close()

    def refresh(self) -> bool:
        """Read what was published meanwhile; return whether there was anything.

        The markets that `as_of` returned, and relations, stay with the older file.
        """
        if self._generation.is_current:
            return False
        self._generation = Generation(self.database)
        return True

    def as_of(self, moment: When) -> Market:
        """Return the market as it was known to be at a moment, such as "2026-11-01" or "7d" ago.

        It has the same methods; `movers` and `spreads` need the market of now, and raise FloorlineError.
        """
        market = object.__new__(Market)
        market.database, market.currency, market._generation = self.database, self.currency, self._generation
        market.moment = resolve_moment(moment, self._now())
        return market

    def find(self, text: str, limit: int = 10) -> pl.DataFrame:
        """Find items by words in any order, as in "karambit sapphire" or "ak redline ft".

        Abbreviations of wears and weapons count, and beginnings of words. Where no item has all words, the
        nearest words of names take their place. The best matches come first.

        Columns: item (NAME, or NAME @ PHASE), market_hash_name, phase; price and provider of the best ask.
        """
        import polars as pl

        found = [(item.full_name, *item[1:]) for item in self._search(text)[:limit]]
        names = pl.DataFrame(
            found, dict.fromkeys(("item", "market_hash_name", "phase"), pl.String), orient="row"
        )
        asks = self.best_ask().select("item", "price", "provider")
        return names.join(asks, on="item", how="left", maintain_order="left")

    def quotes(
        self, item: str | None = None, *, phase: str | None = None, provider: str | None = None
    ) -> pl.DataFrame:
        """Return what is listed, by item and price: all columns of the view `quotes`.

        `fresh` says whether a quote still counts as "now". Raises ItemUnknown.
        """
        view = "quotes" if self.moment is None else "quotes_as_of($moment)"
        return self._select(view, "item, price, provider", item=item, phase=phase, provider=provider)

    def best_ask(self, item: str | None = None, *, phase: str | None = None) -> pl.DataFrame:
        """Return the lowest ask of each item over all marketplaces: all columns of the view `best_ask`.

        Of a moment in the past, those of `best_ask_history`. Raises ItemUnknown.
        """
        if self.moment is None:
            return self._select("best_ask", "item", item=item, phase=phase)
        then = "valid_from <= $moment AND (valid_to > $moment OR valid_to IS NULL)"
        return self._select("best_ask_history", "item", then, item=item, phase=phase)

    def history(
        self,
        item: str,
        *,
        phase: str | None = None,
        provider: str | None = None,
        since: When | None = None,
        until: When | None = None,
    ) -> pl.DataFrame:
        """Return every change of an item's asks in [since, until), oldest first.

        Columns: those of the view `quote_history`. `price` is null where the quote vanished; a state counts
        from `valid_from` up to and without `valid_to`. Raises ItemUnknown, which names the nearest items.
        """
        return self._select(
            "quote_history",
            "valid_from, provider, delivery",
            item=item, phase=phase, provider=provider, time="valid_from", since=since, until=until,
        )  # fmt: skip

    def ohlc(
        self,
        item: str,
        *,
        phase: str | None = None,
        provider: str | None = None,
        since: When | None = None,
        until: When | None = None,
    ) -> pl.DataFrame:
        """Return the open, high, low and close of each UTC day: of the best ask, or of one marketplace.

        Columns: those of the view `best_ask_daily_ohlc`, or `daily_ohlc` for a `provider`. Of a moment in the
        past, the days that were over. Raises ItemUnknown.
        """
        view = "best_ask_daily_ohlc" if provider is None else "daily_ohlc"
        return self._select(
            view,
            "day",
            item=item, phase=phase, provider=provider, time="day", since=since, until=until,
        )  # fmt: skip

    def candles(
        self,
        item: str,
        interval: Interval = "1h",
        *,
        phase: str | None = None,
        since: When | None = None,
        until: When | None = None,
    ) -> pl.DataFrame:
        """Return the API's own candles of an item, oldest first: all columns of the view `candles`.

        `open` to `close` are minor units, `open_price` to `close_price` decimals. Raises ItemUnknown.
        """
        return self._select(
            "candles",
            "time",
            item=item, phase=phase, interval=interval, time="time", since=since, until=until,
        )  # fmt: skip

    def sales(
        self,
        item: str,
        *,
        phase: str | None = None,
        provider: str | None = None,
        since: When | None = None,
        until: When | None = None,
    ) -> pl.DataFrame:
        """Return the sales of an item, oldest first: all columns of the view `sales`. Raises ItemUnknown."""
        return self._select(
            "sales",
            "time, provider, occurrence",
            item=item, phase=phase, provider=provider, time="time", since=since, until=until,
        )  # fmt: skip

    def bids(
        self, item: str | None = None, *, phase: str | None = None, provider: str | None = None
    ) -> pl.DataFrame:
        """Return the highest buy orders, by item, the highest first: all columns of the view `bids`.

        Of a moment in the past, those of `bid_history`. Raises ItemUnknown.
        """
        order = "item, price DESC, provider"
        if self.moment is None:
            return self._select("bids", order, item=item, phase=phase, provider=provider)
        then = "price IS NOT NULL AND valid_from <= $moment AND (valid_to > $moment OR valid_to IS NULL)"
        return self._select("bid_history", order, then, item=item, phase=phase, provider=provider)

    def spreads(
        self,
        *,
        min_margin: float = 0.05,
        bought_at: str | None = None,
        sold_at: str | None = None,
    ) -> pl.DataFrame:
        """Return the most profitable pair of marketplaces of each item, after fees; highest margin first.

        `bought_at` and `sold_at` are keys of marketplaces; None stands for all. Columns: those of the view
        `best_spreads`; `margin` is the profit divided by what was paid, as in 0.05. Raises FloorlineError in
        the past.
        """
        self._require_now("spreads")
        view = "best_spreads" if bought_at is sold_at is None else "best_spreads_at($buy, $sell)"
        sql = f"FROM {view} WHERE currency = $currency AND margin >= $margin ORDER BY margin DESC, item"
        values = {"currency": self.currency, "margin": min_margin}
        at = {} if view == "best_spreads" else {"buy": bought_at, "sell": sold_at}
        return self._frame(sql, values | at)

    def movers(self, period: str = "24h", *, min_price: float = 0) -> pl.DataFrame:
        """Return how the best ask of each item changed within a period, the largest change first.

        Columns: those of the macro `movers`; `change` is relative: 0.05 is 5% up. The period counts back from
        the newest observation. Raises FloorlineError in the past.
        """
        self._require_now("movers")
        sql = """FROM movers($period) WHERE currency = $currency AND greatest(was, now) >= $least
            ORDER BY abs(change) DESC, item"""
        length = parse_period(period)
        return self._frame(sql, {"period": length, "currency": self.currency, "least": min_price})

    def sql(self, query: str, *parameters: object) -> pl.DataFrame:
        """Run a query on the views of docs/warehouse.md; `parameters` replace `?`, or `$1` and so on.

        A query reads the published file and no other one. Raises QueryRejected with the reason.
        """
        return self._frame(query, parameters)

    def rows(self, query: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """Run a query as `sql` does, with a sequence of parameters or a mapping; return tuples, no frame."""
        return self._generation.fetch(query, parameters, _fetch_rows)

    def arrow(self, query: str, *parameters: object) -> pa.Table:
        """Run a query as `sql` does; return an Arrow table."""
        return self._generation.fetch(query, parameters, lambda cursor: cursor.to_arrow_table())

    def relation(self, query: str) -> duckdb.DuckDBPyRelation:
        """Return a query of DuckDB that runs when its result is read. It needs the market to stay open."""
        return self.connection.sql(query)

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """A session of DuckDB for other tools, with the published file attached as `market`, read-only."""
        return self._generation.cursor()

    def _select(self, view: str, order: str, condition: str = "", **filters: Unpack[Filters]) -> pl.DataFrame:
        """Return the rows of a view in this currency; `condition` and `view` may name $moment."""
        query = Query(view, condition)
        query.where("currency = $currency", currency=self.currency)
        if (item := filters.get("item")) is not None:
            column, name = self._find_item(item, filters.get("phase"))
            query.where(f"{column} = $item", item=name)
        elif (phase := filters.get("phase")) is not None:
            query.where("phase = $phase", phase=phase)
        if (provider := filters.get("provider")) is not None:
            query.where("provider = $provider", provider=provider)
        if (interval := filters.get("interval")) is not None:
            query.where("interval = $interval", interval=interval)
        if (time := filters.get("time")) is not None:
            query.between(time, *self._range(filters))
        if "$moment" in query.sql:
            query.values["moment"] = self.moment
        return self._frame(f"{query.sql} ORDER BY {order}", query.values)

    def _range(self, filters: Filters) -> tuple[datetime | None, datetime | None]:
        """Return the start and the end of the rows: in the past, what was over by then."""
        since, until = filters.get("since"), filters.get("until")
        start = None if since is None else resolve_moment(since, self._now())
        end = None if until is None else resolve_moment(until, self._now())
        if self.moment is not None:
            length = INTERVALS[filters["interval"]] if "interval" in filters else timedelta()
            known = self.moment - length + timedelta(microseconds=1)
            end = known if end is None else min(end, known)
        return start, end

    def _find_item(self, item: str, phase: str | None) -> tuple[str, str]:
        """Return the column that names an item, and the name; the name alone means all phases.

        Raises ItemUnknown.
        """
        name = item if phase is None else f"{item} @ {phase}"
        columns = ("item",) if phase is not None else ("market_hash_name", "item")
        for column in columns:
            if self.rows(f"FROM items WHERE {column} = $1 LIMIT 1", [name]):
                return column, name
        nearest = tuple(item.full_name for item in self._search(name)[:NEAREST])
        raise ItemUnknown(f'no item is called "{escape(name)}"', self.path, nearest)

    def _search(self, text: str) -> list[Item]:
        from pipelines.planning.item_search import ItemSearch

        search = ItemSearch(self.rows("SELECT DISTINCT item_id, market_hash_name, phase FROM items"))
        found = search.find(text) or search.find(search.correct(text) or "")
        by_name = {item.full_name: item for item in reversed(found)}  # of several sources
        return [item for item in found if by_name[item.full_name] is item]

    def _now(self) -> datetime:
        return self.moment or datetime.now(UTC)

    def _require_now(self, method: str) -> None:
        if self.moment is not None:
            raise FloorlineError(f"{method}() needs the market of now, and this one is as of {self.moment}")

    def _frame(self, query: str, parameters: Parameters) -> pl.DataFrame:
        return self._generation.fetch(query, parameters, lambda cursor: cursor.pl())


def _fetch_rows(cursor: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    return cursor.fetchall()


def _locate(path: str | Path) -> Database:
    given = Path(path).expanduser()
    if given.suffix == ".toml":
        from pipelines.config import load_settings  # most markets are opened by their folder

        return load_settings(given).paths.published_database
    return WarehousePaths(given).published_database if given.is_dir() else given

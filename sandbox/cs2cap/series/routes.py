"""The series of one market: raw history, candles, sales and daily points."""

from sandbox.cs2cap.series.candle_route import CandleRoute
from sandbox.cs2cap.series.daily_route import DailyRoute
from sandbox.cs2cap.series.history import HistoryRoute
from sandbox.cs2cap.series.sales import SalesFeed
from sandbox.cs2cap.series.sales_route import SalesRoute
from sandbox.market.archive import MarketHistory


class SeriesRoutes:
    """The routes of the series, all over one archive; `dense`: points at every slot of the grid."""

    def __init__(self, archive: MarketHistory, seed: int, *, dense: bool) -> None:
        self.archive = archive
        self.history = HistoryRoute(archive, dense=dense)
        self.candles = CandleRoute(archive, dense=dense)
        self.daily = DailyRoute(archive)
        self.sales_feed = SalesFeed(archive, seed)
        self.sales = SalesRoute(archive, self.sales_feed)

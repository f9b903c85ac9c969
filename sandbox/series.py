"""The three series of one market: raw history, candles and sales."""

from sandbox.archive import Archive
from sandbox.candle_route import Candles
from sandbox.history import History
from sandbox.sales import Sales
from sandbox.sales_route import SalesRoute


class Series:
    """What answers for each series, all from one archive; `dense`: points at every slot of the grid."""

    def __init__(self, archive: Archive, seed: int, *, dense: bool) -> None:
        self.archive = archive
        self.history = History(archive, dense=dense)
        self.candles = Candles(archive, dense=dense)
        self.sold = Sales(archive, seed)
        self.sales = SalesRoute(archive, self.sold)

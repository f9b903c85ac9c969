"""A small sandbox without a server: responses, pages of series by their cursors, and expected values."""

import gzip
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import polars as pl

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.http_types import ApiRequest
from sandbox.market.providers import INDEX, PROVIDERS
from sandbox.options import Options
from tests.support.clocks import NOON

Row = dict[str, Any]
HISTORY, CANDLES, SALES = "/v1/prices/history", "/v1/prices/candles", "/v1/sales"
DAILY = "/v1/market/history/chart"
AUTHORIZATION = {"authorization": f"Bearer {VALID_KEY}"}
KEY_OF = {provider.name: provider.key for provider in PROVIDERS}
DOPPLER = "★ Karambit | Doppler (Factory New)"
ITEM = 3  # id of an item without phases


def small_sandbox(**options: Any) -> Sandbox:
    """Return a sandbox of 20 items: clock frozen at noon, index refreshed at once, no limits."""
    return Sandbox(Options(**{"items": 20, "frozen": NOON, "refresh": 0.0, "limits": False, **options}))


def get_json(sandbox: Sandbox, path: str, **query: Any) -> tuple[int, Any]:
    """Return status and JSON of a GET request; a list repeats its parameter."""
    pairs = [
        (name, str(value))
        for name, value in query.items()
        for value in (value if isinstance(value, list) else [value])
    ]
    sandbox.sync()
    return respond(sandbox, ApiRequest("GET", path, tuple(pairs), headers=AUTHORIZATION))


def respond(sandbox: Sandbox, request: ApiRequest) -> tuple[int, Any]:
    """Return status and JSON of the sandbox's response."""
    response = sandbox.api.respond(request)
    body = gzip.decompress(response.body) if response.gzipped else response.body
    return response.status, json.loads(body)


def read_pages(sandbox: Sandbox, path: str, **query: Any) -> Iterator[dict[str, Any]]:
    """Yield the pages of a series."""
    cursor: dict[str, str] = {}
    while True:
        status, page = get_json(sandbox, path, **query, **cursor)
        assert status == 200, page
        yield page
        if not page["pagination"]["has_next"]:
            return
        cursor = {"cursor": page["pagination"]["next_cursor"]}


def read_rows(sandbox: Sandbox, path: str, **query: Any) -> list[Row]:
    """Return the rows of all pages of a series, in order."""
    return [row for page in read_pages(sandbox, path, **query) for row in page["items"]]


def parse_time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def as_points(rows: list[Row]) -> list[tuple[Any, ...]]:
    """Return rows of history in the columns of the ground truth."""
    return [
        (
            KEY_OF[row["provider"]],
            row["item_id"],
            row["market_hash_name"],
            row.get("phase"),
            parse_time(row["time"]),
            row["price"],
            row["quantity"],
        )
        for row in rows
    ]


def asks_in_points(points: pl.DataFrame, at: datetime) -> dict[str, tuple[int, int]]:
    """Return price and quantity by provider at a time, from the points of one item."""
    last = points.filter(pl.col("time") <= at).sort("time").group_by("provider").last()
    return {key: (price, quantity) for key, price, quantity in last["provider", "price", "quantity"].rows()}


def asks_at(sandbox: Sandbox, item_id: int, at: datetime) -> dict[str, tuple[int, int]]:
    """Return price and quantity by provider at a time, from the ledger of one item."""
    rows = sandbox.ledger(at, item_ids=[item_id]).select("provider", "lowest_ask", "quantity").rows()
    return {key: (price, quantity) for key, price, quantity in rows}


def history_order(row: Row) -> tuple[float, int]:
    """Return the sort key of a row of history: newest first, then by provider key."""
    return -parse_time(row["time"]).timestamp(), INDEX[KEY_OF[row["provider"]]]

"""A small sandbox without a server, walks over its series by their cursors, and what they must be."""

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
AUTHORIZATION = {"authorization": f"Bearer {VALID_KEY}"}
KEY_OF = {provider.name: provider.key for provider in PROVIDERS}
DOPPLER = "★ Karambit | Doppler (Factory New)"
ITEM = 3  # an item without phases


def small(**options: Any) -> Sandbox:
    """Return a sandbox of 20 items, its clock frozen at noon, its index at once, without limits."""
    return Sandbox(Options(**{"items": 20, "frozen": NOON, "refresh": 0.0, "limits": False, **options}))


def ask(box: Sandbox, path: str, **query: Any) -> tuple[int, Any]:
    """Return status and body of an answer; a list repeats its parameter."""
    pairs = [
        (name, str(value))
        for name, given in query.items()
        for value in (given if isinstance(given, list) else [given])
    ]
    box.sync()
    return respond(box, ApiRequest("GET", path, tuple(pairs), headers=AUTHORIZATION))


def respond(sandbox: Sandbox, request: ApiRequest) -> tuple[int, Any]:
    """Return status and JSON of the sandbox's response."""
    response = sandbox.api.respond(request)
    body = gzip.decompress(response.body) if response.gzipped else response.body
    return response.status, json.loads(body)


def pages(box: Sandbox, path: str, **query: Any) -> Iterator[dict[str, Any]]:
    """Yield the pages of a walk."""
    cursor: dict[str, str] = {}
    while True:
        status, page = ask(box, path, **query, **cursor)
        assert status == 200, page
        yield page
        if not page["pagination"]["has_next"]:
            return
        cursor = {"cursor": page["pagination"]["next_cursor"]}


def walk(box: Sandbox, path: str, **query: Any) -> list[Row]:
    """Return the rows of a walk, in its order."""
    return [row for page in pages(box, path, **query) for row in page["items"]]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def as_points(rows: list[Row]) -> list[tuple[Any, ...]]:
    """Return rows of history as the sandbox's truth has them."""
    return [
        (
            KEY_OF[row["provider"]],
            row["item_id"],
            row["market_hash_name"],
            row.get("phase"),
            moment(row["time"]),
            row["price"],
            row["quantity"],
        )
        for row in rows
    ]


def state(points: pl.DataFrame, at: datetime) -> dict[str, tuple[int, int]]:
    """Return what the points of one item say of a moment: price and quantity by provider."""
    last = points.filter(pl.col("time") <= at).sort("time").group_by("provider").last()
    return {key: (price, quantity) for key, price, quantity in last["provider", "price", "quantity"].rows()}


def ledger(box: Sandbox, item_id: int, at: datetime) -> dict[str, tuple[int, int]]:
    """Return what was asked for an item at a moment: price and quantity by provider."""
    rows = box.ledger(at, item_ids=[item_id]).select("provider", "lowest_ask", "quantity").rows()
    return {key: (price, quantity) for key, price, quantity in rows}


def order(row: Row) -> tuple[float, int]:
    """Where a row of history stands: the newest first, providers in the order of their keys."""
    return -moment(row["time"]).timestamp(), INDEX[KEY_OF[row["provider"]]]

"""Rows of CS2Cap's streams: a regular row, the same row as a line of NDJSON, and unusual fields."""

import json
from collections.abc import Sequence
from typing import Any

from connectors.cs2cap.contract import ASKS, BIDS, BookSide

ROW = {
    "provider": "steam", "item_id": 1, "market_hash_name": "★ Karambit | Doppler (Factory New)",
    "phase": "Phase 2", "lowest_ask": 2550, "lowest_ask_decimal": "25.50", "quantity": 3,
    "link": "https://cs2c.app/r/steam/1", "url": "https://steamcommunity.com/market/1",
    "timestamp": "2026-03-18T12:00:00Z", "last_updated": "2026-03-18T12:01:00.123456+00:00",
}  # fmt: skip
_BID_NAMES = {
    "lowest_ask": "highest_bid",
    "lowest_ask_decimal": "highest_bid_decimal",
    "quantity": "num_bids",
}
UNUSUAL_FIELDS: Sequence[dict[str, Any]] = (
    {}, {"phase": None}, {"phase": ...}, {"url": ..., "link": ...}, {"lowest_ask_decimal": ...},
    {"lowest_ask_decimal": None, "timestamp": None, "last_updated": None}, {"lowest_ask": None},
    {"lowest_ask": "2550"}, {"lowest_ask": 25.5}, {"lowest_ask": -1}, {"lowest_ask": 10**14},
    {"lowest_ask": 10**20}, {"lowest_ask": True}, {"quantity": ...}, {"quantity": -1}, {"item_id": "1"},
    {"item_id": -5}, {"provider": ""}, {"provider": 7}, {"market_hash_name": ""}, {"market_hash_name": None},
    {"market_hash_name": 'a "b" \\ \n c\u0000'}, {"lowest_ask_decimal": 25.5}, {"lowest_ask_decimal": "1e3"},
    {"lowest_ask_decimal": "-1.00"}, {"lowest_ask_decimal": "0.123456789"}, {"lowest_ask_decimal": ""},
    {"lowest_ask_decimal": "1234567890123.5"}, {"lowest_ask_decimal": "0.00041600"},
    {"lowest_ask_decimal": "25.500000001"}, {"lowest_ask_decimal": "2.55e1"}, {"lowest_ask_decimal": "25."},
    {"lowest_ask_decimal": "+25.50"}, {"lowest_ask_decimal": " 25.50"},
    {"timestamp": "2026-03-18T12:00:00"}, {"timestamp": "2026-02-30T12:00:00Z"}, {"timestamp": 5},
    {"timestamp": "2026-03-18T14:00:00.5+02:00"}, {"last_updated": "yesterday"}, {"new": 1},
    {"new": {"a": [1]}}, {"new": None}, {"link": 5}, {"url": 5},
)  # fmt: skip


def stream_line(side: BookSide = ASKS, **fields: Any) -> bytes:
    """Return a line of a stream; a field that is `...` is left out."""
    row = {name: value for name, value in {**ROW, **fields}.items() if value is not ...}
    if side is BIDS:
        row = {_BID_NAMES.get(name, name): value for name, value in row.items()}
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"

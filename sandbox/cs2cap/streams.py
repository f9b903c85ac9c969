"""The full streams of prices and bids: which keys may start them, how often, and one at a time."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from math import ceil

from sandbox.clock import iso, micros
from sandbox.cs2cap import params
from sandbox.cs2cap.keys import STREAM_WINDOW, ApiKey, KeyRegistry, limit_headers
from sandbox.cs2cap.snapshots import SnapshotCache
from sandbox.http_types import NDJSON, ApiError, ApiRequest, ApiResponse
from sandbox.market.market import Market
from sandbox.market.sides import BookSide

RETRY_SOON = 1  # seconds in the Retry-After where another stream is active


class StreamRoute:
    """`POST /v1/prices` and `POST /v1/bids`. A stream is active until its response is sent."""

    def __init__(self, market: Market, keys: KeyRegistry) -> None:
        self.snapshots = SnapshotCache(market)
        self._keys = keys

    def respond(self, side: BookSide, request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        """Return the stream of one side. Raises ApiError."""
        providers = params.parse_providers(request, side)
        _check_access(key, side.path)
        limits = self._count_start(key, side.path, now)
        snapshot = self.snapshots.get(side, providers, micros(now))
        headers = {
            "X-Snapshot-Timestamp": iso(micros(now)),
            "X-Snapshot-Currency": "USD",
            "X-Snapshot-Total": str(snapshot.rows),
            **limits,
        }
        return ApiResponse(
            body=snapshot.body,
            headers=headers,
            media=NDJSON,
            gzipped=True,
            stream=True,
            on_sent=partial(key.streaming.discard, side.path),
        )

    def _count_start(self, key: ApiKey, path: str, now: datetime) -> dict[str, str]:
        """Count a start and return the headers that report the remaining ones. Raises ApiError."""
        starts, limit = key.recent_starts(path, now), key.tier.streams
        if self._keys.enforced and len(starts) >= limit:
            wait = _seconds_to_next_start(starts, now)
            detail = f"Bulk stream quota exhausted for {path}. Limit {limit} per 24 hours."
            headers = {"Retry-After": str(wait), **limit_headers(key.tier, limit, left=0, reset=wait)}
            raise ApiError(429, "RATE_LIMIT_STREAM_QUOTA_EXCEEDED", detail, headers=headers)
        starts.append(now.timestamp())
        key.streaming.add(path)
        if not self._keys.enforced:
            return {}
        reset = _seconds_to_next_start(starts, now)
        return limit_headers(key.tier, limit, left=limit - len(starts), reset=reset)


def _check_access(key: ApiKey, path: str) -> None:
    """Raise ApiError for a plan without streams, and for a second stream at the same time."""
    if not key.tier.streams:
        raise ApiError(403, "FORBIDDEN", f"Bulk snapshot access for {path} is not enabled for this tier.")
    if path in key.streaming:
        detail = "A streaming request is already active for this API key."
        raise ApiError(409, "STREAM_ALREADY_ACTIVE", detail, headers={"Retry-After": str(RETRY_SOON)})


def _seconds_to_next_start(starts: Sequence[float], now: datetime) -> int:
    """Return the seconds until the oldest start is 24 hours old."""
    return max(1, ceil(starts[0] + STREAM_WINDOW - now.timestamp()))

"""The full streams of prices and bids: who may start one, how often in 24 hours, one at a time."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from math import ceil

from sandbox.clock import iso, micros
from sandbox.cs2cap import params
from sandbox.cs2cap.keys import DAY, ApiKey, KeyRegistry, limit_headers
from sandbox.cs2cap.snapshots import SnapshotCache
from sandbox.http_types import NDJSON, ApiError, ApiRequest, ApiResponse
from sandbox.market.market import Market
from sandbox.market.sides import BookSide

RETRY_SOON = 1  # seconds that a refusal suggests to wait for a stream that is under way


class StreamRoute:
    """Answers `POST /v1/prices` and `POST /v1/bids`. A stream is under way until its answer is over."""

    def __init__(self, market: Market, keys: KeyRegistry) -> None:
        self.snapshots = SnapshotCache(market)
        self._keys = keys

    def answer(self, side: BookSide, request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        """Return the stream that is asked for, or raise the Refusal that the rules call for."""
        providers = params.parse_providers(request, side)
        _must_be_free(key, side.path)
        quota = self._start(key, side.path, now)
        snapshot = self.snapshots.get(side, providers, micros(now))
        told = {
            "X-Snapshot-Timestamp": iso(micros(now)),
            "X-Snapshot-Currency": "USD",
            "X-Snapshot-Total": str(snapshot.rows),
        }
        over = partial(key.streaming.discard, side.path)
        return ApiResponse(
            200, snapshot.body, {**told, **quota}, NDJSON, gzipped=True, stream=True, over=over
        )

    def _start(self, key: ApiKey, path: str, now: datetime) -> dict[str, str]:
        """Count a start and return the headers that tell of the rest; raise the Refusal of one too many."""
        starts, most = key.started(path, now), key.tier.streams
        if self._keys.enforced and len(starts) >= most:
            wait = _to_next_start(starts, now)
            detail = f"Bulk stream quota exhausted for {path}. Limit {most} per 24 hours."
            told = {"Retry-After": str(wait), **limit_headers(key.tier, most, 0, wait)}
            raise ApiError(429, "RATE_LIMIT_STREAM_QUOTA_EXCEEDED", detail, told)
        starts.append(now.timestamp())
        key.streaming.add(path)
        left = limit_headers(key.tier, most, most - len(starts), _to_next_start(starts, now))
        return left if self._keys.enforced else {}


def _must_be_free(key: ApiKey, path: str) -> None:
    """Raise the Refusal of a plan without streams, or of a second stream at once."""
    if not key.tier.streams:
        raise ApiError(403, "FORBIDDEN", f"Bulk snapshot access for {path} is not enabled for this tier.")
    if path in key.streaming:
        detail = "A streaming request is already active for this API key."
        raise ApiError(409, "STREAM_ALREADY_ACTIVE", detail, {"Retry-After": str(RETRY_SOON)})


def _to_next_start(starts: Sequence[float], now: datetime) -> int:
    """Return seconds until the oldest start leaves the 24 hours."""
    return max(1, ceil(starts[0] + DAY - now.timestamp()))

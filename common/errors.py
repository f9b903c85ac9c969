"""Every error that Floorline raises on purpose, grouped by what the user or the caller does about the error.

FloorlineError
├── SourceError                  a price API, or what the configuration asks of a price API
│   ├── ConfigError              fix the configuration
│   ├── AuthRejected             never retried; stops every request of the source; raises an alert
│   │   └── KeyMissing · KeyInvalid · KeyRevoked · AccountDisabled · AddressDenied
│   ├── PlanForbids              the tier does not include the route; never retried; raises an alert
│   ├── QuotaExhausted           waiting inside the run is pointless; raises an alert
│   │   └── StreamsExhausted · BudgetSpent
│   ├── RequestRejected          the request is wrong (4xx); fails its shard only
│   ├── OutcomeUnknown           a request that must not be repeated may have taken effect
│   ├── TransientError           retried
│   │   └── RateLimited · Busy · Unavailable · RequestTimeout · ConnectionLost (· ConnectFailed)
│   ├── PaginationError          the pages do not add up to a listing; the shard is incomplete
│   └── UnexpectedResponse       a response that the contract of the API does not allow
└── WarehouseError               the storage; what was fetched stays in its landing
    ├── WarehouseLocked · WarehouseFull · WriterProcessDied · BackfillBusy · QueryRejected
    └── WarehouseUnusable
        └── NotPublished · TargetExists · BackfillNotFound · DatabaseUnreadable
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from common.text import sanitize


@dataclass(eq=False)
class FloorlineError(Exception):
    """An error that the user can act on: `detail` says what happened, `guidance` what to do.

    `str()` gives both on one line, which is all that a user sees.
    """

    guidance: ClassVar[str] = ""

    detail: str

    def __post_init__(self) -> None:
        # Exception pickles itself by its args; Prefect sends exceptions between processes.
        super().__init__(self.detail)

    def __str__(self) -> str:
        return f"{self.detail}; {self.guidance}" if self.guidance else self.detail


@dataclass(eq=False)
class SourceError(FloorlineError):
    """A price API failed, or cannot do what the configuration asks.

    `source` is the configured name of the API, `code` the API's own error code, `status` the HTTP status and
    `request_id` the API's own id of the request; each is empty where the API gave none.
    """

    source: str = ""
    code: str = ""
    status: int | None = None
    request_id: str = ""

    def __str__(self) -> str:
        code = " ".join(str(part) for part in (self.code, self.status and f"({self.status})") if part)
        request = f"request {self.request_id}" if self.request_id else ""
        parts = [sanitize(part, 1000) for part in (self.source, code, request, self.detail) if part]
        line = ": ".join(parts).rstrip(".")
        return f"{line}. {self.guidance}" if self.guidance else line


class ConfigError(SourceError):
    """The configuration asks for something that does not exist or cannot be."""


class AuthRejected(SourceError):
    """The source does not accept the key; never retried, and nothing else is sent to it."""

    guidance = "Check the key of this source; `floorline doctor` tries it."


class KeyMissing(AuthRejected):
    """There is no key to send, or none arrived."""

    guidance = "Set the key where the configuration looks for it."


class KeyInvalid(AuthRejected):
    """The source does not know the key."""

    guidance = "Copy the key again from the source's dashboard, whole and without spaces; or it has expired."


class KeyRevoked(AuthRejected):
    """The key was revoked, by hand or because another one was issued."""

    guidance = "Issue a new key in the source's dashboard and put it where the configuration looks for it."


class AccountDisabled(AuthRejected):
    """The account behind the key is disabled, locked or suspended."""

    guidance = "Settle it with the source's support; the key itself may be good."


class AddressDenied(AuthRejected):
    """The key is pinned to other addresses than ours."""

    guidance = "Add this machine's public address to the key's allowlist."


class PlanForbids(SourceError):
    """The account's tier does not include this route; never retried."""

    guidance = "Upgrade the tier or take this out of the basket."


@dataclass(eq=False)
class QuotaExhausted(SourceError):
    """The month's or the day's requests are used up; `resets_at` (UTC) says until when, if known."""

    guidance = "Wait for the reset, ask for less, or upgrade the tier."

    resets_at: datetime | None = None


class StreamsExhausted(QuotaExhausted):
    """The stream starts of 24 hours are used up; the source's other routes are not affected."""

    guidance = "Wait for the reset, or let the basket take another route."


class BudgetSpent(QuotaExhausted):
    """The requests that this run was allowed are used up; the source would answer more."""

    guidance = "Run the same command again to go on."


class RequestRejected(SourceError):
    """The source refuses the request as such (4xx); never retried."""

    guidance = "This request is wrong and will stay so; the rest of the run is not affected."


class OutcomeUnknown(SourceError):
    """A request that must not be sent twice has no good answer; it may have taken effect."""

    guidance = "Look in the source's dashboard what became of it; do not simply try again."


@dataclass(eq=False)
class TransientError(SourceError):
    """A failure that passes; `retry_after` is the seconds the source asks to wait, if it told."""

    guidance = "Tried several times in vain; the next run tries again."

    retry_after: float | None = None


class RateLimited(TransientError):
    """More requests in a minute than the tier allows."""


class Busy(TransientError):
    """The source is still serving another request of this key."""


class Unavailable(TransientError):
    """The source, or what it needs, is down (5xx)."""


class RequestTimeout(TransientError):
    """No complete answer within the deadline of one request."""


class ConnectionLost(TransientError):
    """No connection, or one that ended before the answer did."""


class ConnectFailed(ConnectionLost):
    """No connection could be made: nothing was sent."""


class PaginationError(SourceError):
    """The pages of a listing do not add up to a listing; what was landed stays landed."""

    guidance = "The shard is incomplete; nothing is closed by it, and the next run walks it again."


class UnexpectedResponse(SourceError):
    """An answer that is not what the source's contract says."""

    guidance = "Check `base_url` and whatever stands between; else the API has changed."


@dataclass(eq=False)
class WarehouseError(FloorlineError):
    """The database, the landings or the state on disk cannot be used; `path` is the file, where known."""

    path: Path | None = None

    guidance: ClassVar[str] = "look at the file named above"


@dataclass(eq=False)
class WarehouseLocked(WarehouseError):
    """Another process holds the database. `holder` names it where that is known."""

    holder: str = ""

    guidance: ClassVar[str] = "end that process or wait; what was fetched is landed and the next run loads it"


@dataclass(eq=False)
class WarehouseFull(WarehouseError):
    """There is no room on disk."""

    guidance: ClassVar[str] = "make room; what was fetched is landed and the next run loads it"


@dataclass(eq=False)
class WriterProcessDied(WarehouseError):
    """The process that lands pages was killed by somebody else, or could not be started."""

    guidance: ClassVar[str] = "see to free memory and run again; what had landed before is loaded then"


@dataclass(eq=False)
class BackfillBusy(WarehouseError):
    """Another process runs the backfill. `holder` names it where that is known."""

    holder: str = ""

    guidance: ClassVar[str] = "wait for it to end, or stop it; this one then goes on where it stopped"


@dataclass(eq=False)
class QueryRejected(WarehouseError):
    """DuckDB cannot run a query; `detail` has DuckDB's reason."""

    guidance: ClassVar[str] = ""


@dataclass(eq=False)
class WarehouseUnusable(WarehouseError):
    """The path cannot be written, or the files are not a database that this version knows."""

    guidance: ClassVar[str] = "set [warehouse] path to a folder of yours, or update Floorline"


@dataclass(eq=False)
class NotPublished(WarehouseUnusable):
    """There is no database to read yet."""

    guidance: ClassVar[str] = "run `floorline snapshot` first"


@dataclass(eq=False)
class DatabaseUnreadable(WarehouseUnusable):
    """DuckDB cannot read a database file; `detail` has DuckDB's reason."""

    guidance: ClassVar[str] = "put it aside and run `floorline maintain rebuild`, or restore a backup"


@dataclass(eq=False)
class TargetExists(WarehouseUnusable):
    """A file or folder that would be written exists."""

    guidance: ClassVar[str] = "choose another name"


@dataclass(eq=False)
class BackfillNotFound(WarehouseUnusable):
    """No backfill has this id."""

    guidance: ClassVar[str] = "`floorline backfill list` shows those there are"


def most_severe(failure: BaseException) -> BaseException:
    """Return the exception of a group, however deep, that the user must act on first.

    The order is: an exception that ends the process, a bug, the warehouse, a rejected key, a used-up quota,
    any other error. Among equals the first one counts. An exception that is no group is returned itself.
    """
    return min(_flatten(failure), key=_severity)


def _flatten(failure: BaseException) -> Iterator[BaseException]:
    """Yield `failure`, or every exception in its group, however deep."""
    if not isinstance(failure, BaseExceptionGroup):
        yield failure
        return
    for part in failure.exceptions:
        yield from _flatten(part)


def _severity(failure: BaseException) -> int:
    """Return the rank of an exception: 0 is the most severe."""
    if not isinstance(failure, Exception):
        return 0
    if not isinstance(failure, FloorlineError):
        return 1
    kinds = (WarehouseError, AuthRejected, QuotaExhausted, FloorlineError)
    return 2 + next(rank for rank, kind in enumerate(kinds) if isinstance(failure, kind))

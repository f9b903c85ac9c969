"""What can go wrong with a source, grouped by what to do about it.

FloorlineError
├── ConfigError              fix the configuration
├── AuthRejected             never retried; stops the source
│   ├── KeyMissing · KeyInvalid · KeyRevoked · AccountDisabled · AddressDenied
├── PlanForbids              the tier or the route does not allow it
├── QuotaExhausted           waiting inside the run is pointless
│   └── StreamsExhausted · BudgetSpent
├── RequestRejected          our request was wrong: a bug or a bad item
├── OutcomeUnknown           what cannot be repeated may have happened, or not
├── Transient                worth another try
│   ├── RateLimited · Busy · Unavailable · Timeout · Disconnected · Unreachable
├── WalkBroken               paging went round, never ended or could not be reconciled
└── ContractBroken           an answer that is not what the contract says
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from common.text import sanitize


def flatten_exceptions(failure: BaseException) -> Iterator[BaseException]:
    """Yield what a failure comes down to: itself, or every exception in its group, however deep."""
    if not isinstance(failure, BaseExceptionGroup):
        yield failure
        return
    for part in failure.exceptions:
        yield from flatten_exceptions(part)


@dataclass(eq=False)
class FloorlineError(Exception):
    """Something failed; `str()` gives one line: the source, the code, what happened and what to do.

    `detail` says what happened; `source` is the configured name of the API, `code` its error code, `status`
    the HTTP status and `request_id` the API's own id of the request, where there are such.
    """

    guidance: ClassVar[str] = ""

    detail: str
    source: str = ""
    code: str = ""
    status: int | None = None
    request_id: str = ""

    def __post_init__(self) -> None:
        # Exception pickles itself by its args; Prefect sends exceptions between processes.
        super().__init__(self.detail)

    def __str__(self) -> str:
        told = " ".join(str(part) for part in (self.code, self.status and f"({self.status})") if part)
        about = f"request {self.request_id}" if self.request_id else ""
        parts = [sanitize(part, 1000) for part in (self.source, told, about, self.detail) if part]
        line = ": ".join(parts).rstrip(".")
        return f"{line}. {self.guidance}" if self.guidance else line


class ConfigError(FloorlineError):
    """The configuration asks for something that does not exist or cannot be."""


class AuthRejected(FloorlineError):
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


class PlanForbids(FloorlineError):
    """The account's tier does not include this route; never retried."""

    guidance = "Upgrade the tier or take this out of the basket."


@dataclass(eq=False)
class QuotaExhausted(FloorlineError):
    """The month's or the day's requests are used up; `resets_at` (UTC) says until when, if known."""

    guidance = "Wait for the reset, ask for less, or upgrade the tier."

    resets_at: datetime | None = None


class StreamsExhausted(QuotaExhausted):
    """The stream starts of 24 hours are used up; the source's other routes are not affected."""

    guidance = "Wait for the reset, or let the basket take another route."


class BudgetSpent(QuotaExhausted):
    """The requests that this run was allowed are used up; the source would answer more."""

    guidance = "Run the same command again to go on."


class RequestRejected(FloorlineError):
    """The source refuses the request as such (4xx); never retried."""

    guidance = "This request is wrong and will stay so; the rest of the run is not affected."


class OutcomeUnknown(FloorlineError):
    """A request that must not be sent twice has no good answer; it may have taken effect."""

    guidance = "Look in the source's dashboard what became of it; do not simply try again."


@dataclass(eq=False)
class TransientError(FloorlineError):
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


class PaginationError(FloorlineError):
    """The pages of a listing do not add up to a listing; what was landed stays landed."""

    guidance = "The shard is incomplete; nothing is closed by it, and the next run walks it again."


class UnexpectedResponse(FloorlineError):
    """An answer that is not what the source's contract says."""

    guidance = "Check `base_url` and whatever stands between; else the API has changed."


def most_severe(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the failure that says most about what to do: a rejected key before all others."""
    known = list(flatten_exceptions(failures))
    gravest = (leaf for kind in (AuthRejected, QuotaExhausted) for leaf in known if isinstance(leaf, kind))
    return next(gravest, known[0])


@dataclasses.dataclass(eq=False)
class WarehouseError(Exception):
    """The warehouse cannot be used."""

    detail: str
    path: Path | None = None

    guidance: ClassVar[str] = "look at the file named above"

    def __str__(self) -> str:
        """One line: what is wrong and what to do."""
        return f"{self.detail}; {self.guidance}"


@dataclasses.dataclass(eq=False)
class WarehouseLocked(WarehouseError):
    """Another process holds the database. `holder` names it where that is known."""

    holder: str = ""

    guidance: ClassVar[str] = "end that process or wait; what was fetched is landed and the next run loads it"


@dataclasses.dataclass(eq=False)
class WarehouseFull(WarehouseError):
    """There is no room on disk."""

    guidance: ClassVar[str] = "make room; what was fetched is landed and the next run loads it"


@dataclasses.dataclass(eq=False)
class WriterProcessDied(WarehouseError):
    """The process that lands pages was killed by somebody else, or could not be started."""

    guidance: ClassVar[str] = "see to free memory and run again; what had landed before is loaded then"


@dataclasses.dataclass(eq=False)
class BackfillBusy(WarehouseError):
    """Another process runs the backfill. `holder` names it where that is known."""

    holder: str = ""

    guidance: ClassVar[str] = "wait for it to end, or stop it; this one then goes on where it stopped"


@dataclasses.dataclass(eq=False)
class WarehouseUnusable(WarehouseError):
    """The path cannot be written, or the files are not a database that this version knows."""

    guidance: ClassVar[str] = "set [warehouse] path to a folder of yours, or update Floorline"


@dataclasses.dataclass(eq=False)
class NotPublished(WarehouseUnusable):
    """There is no database to read yet."""

    guidance: ClassVar[str] = "run `floorline snapshot` first"


@dataclasses.dataclass(eq=False)
class TargetExists(WarehouseUnusable):
    """A file or folder that would be written exists."""

    guidance: ClassVar[str] = "choose another name"


@dataclasses.dataclass(eq=False)
class BackfillNotFound(WarehouseUnusable):
    """No backfill has this id."""

    guidance: ClassVar[str] = "`floorline backfill list` shows those there are"

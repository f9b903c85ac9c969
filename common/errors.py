"""The errors of a price API and its configuration, grouped by what the user or the caller does about each.

FloorlineError
├── SourceError                  a price API, or what the configuration asks of a price API
│   ├── ConfigError              fix the configuration
│   │   └── TierUnknown · WrongAddress
│   ├── AuthRejected             never retried; stops every request of the source; raises an alert
│   │   └── KeyMissing · KeyInvalid · KeyRevoked · AccountDisabled (· AccountUnverified)
│   │       · AddressDenied
│   ├── PlanForbids              the tier does not include the route; never retried; raises an alert
│   ├── QuotaExhausted           waiting inside the run is pointless; raises an alert
│   │   └── StreamsExhausted · BudgetSpent
│   ├── RequestRejected          the request is wrong (4xx); fails its shard only
│   │   └── RouteForbidden       a matter of the route alone, of no tier; ends every request of the route
│   ├── UserNotFound             the sub-user of the configuration is not the merchant's; ends its source
│   ├── OutcomeUnknown           a request that must not be repeated may have taken effect
│   ├── TransientError           retried
│   │   ├── RateLimited (· OnHold) · Busy · Unavailable (· Outage) · RequestTimeout
│   │   └── ConnectionLost (· ConnectFailed)
│   ├── PaginationError          the pages do not add up to a listing; the shard is incomplete
│   ├── UnexpectedResponse       a response that the contract of the API does not allow
│   │   ├── TooLarge
│   │   └── Intercepted          something answers in the API's place (· InterceptedPage, retried)
│   │       └── SourceIntercepted    several in a row: ends every request of the source
│   └── Unforeseen               Floorline failed on a response: a bug, which ends its source or shard only
│       └── ShortOfResources     the machine lacks something
└── WarehouseError               the storage: common/warehouse_errors.py
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from common.addresses import mask_secrets
from common.shortages import LACK, is_shortage, name_place
from common.text import sanitize

MAX_DETAIL: Final = 4000  # characters


# eq=False: an exception equals only itself, and stays hashable.
@dataclass(eq=False)
class FloorlineError(Exception):
    """An error that the user can act on: `detail` says what happened, `guidance` what to do.

    The addresses in `detail` lose their user information.

    `str()` gives both on one line, which is all that a user sees.
    """

    guidance: ClassVar[str] = ""

    detail: str

    def __post_init__(self) -> None:
        self.detail = mask_secrets(self.detail)
        # Exception pickles itself by its args; Prefect sends exceptions between processes.
        super().__init__(self.detail)

    def __str__(self) -> str:
        detail = sanitize(self.detail, MAX_DETAIL)
        return f"{detail}; {self.guidance}" if self.guidance else detail


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
    """The configuration names something that does not exist or is not possible."""


class TierUnknown(ConfigError):
    """The source reports neither the tier nor the limits of a key, and the configuration has no tier."""

    guidance = "Set `tier` of this source in the configuration to the tier of your account."


class WrongAddress(ConfigError):
    """What answers at the address of a source is not its API."""

    guidance = "Correct `base_url` of this source to the API's address, which has no path."


class AuthRejected(SourceError):
    """The source rejects the key; never retried, and no other request is sent to the source."""

    guidance = "Check the key of this source; `floorline doctor` tests it."


class KeyMissing(AuthRejected):
    """There is no key to send, or the source received none."""

    guidance = "Set the key where the configuration looks for it."


class KeyInvalid(AuthRejected):
    """The source does not know the key."""

    guidance = (
        "Copy the key again from the source's dashboard, complete and without spaces. It may have expired."
    )


class KeyRevoked(AuthRejected):
    """The key was revoked, by a person or because a new key was issued."""

    guidance = "Issue a new key in the source's dashboard and put it where the configuration looks for it."


class AccountDisabled(AuthRejected):
    """The account behind the key is disabled, locked or suspended."""

    guidance = "Contact the source's support; the key itself may be valid."


class AccountUnverified(AccountDisabled):
    """The email address of the account is not verified."""

    guidance = "Verify the email address of the account in the source's dashboard."


class AddressDenied(AuthRejected):
    """The allowlist of the key does not include this machine's address."""

    guidance = "Add this machine's public address to the key's allowlist."


class PlanForbids(SourceError):
    """The account's tier does not include this route; never retried."""

    guidance = "Upgrade the tier, or remove this from the basket."


@dataclass(eq=False)
class QuotaExhausted(SourceError):
    """The requests of the month or day are used up; `resets_at` (UTC) is the start of the next, if known."""

    guidance = "Wait for the reset, request less, or upgrade the tier."

    resets_at: datetime | None = None


class StreamsExhausted(QuotaExhausted):
    """The stream starts of 24 hours are used up; other routes of the source still work."""

    guidance = "Wait for the reset, or choose another route for the basket."


class BudgetSpent(QuotaExhausted):
    """The request budget of this run is used up; the source would accept more."""

    guidance = "Run the same command again to continue."


@dataclass(eq=False)
class RequestRejected(SourceError):
    """The source rejects the request itself (4xx); never retried.

    `fields` are the parameters that the source names as wrong, if it names any.
    """

    guidance = "A retry cannot help; the rest of the run is not affected."

    fields: tuple[str, ...] = ()


class RouteForbidden(RequestRejected):
    """The source refuses this route to the key (403) for a reason that is neither the account nor the tier.

    No other request is sent to the route; the other routes of the source still work.
    """

    guidance = "Only this route is refused: the key and the account's other routes still work."


class UserNotFound(SourceError):
    """The sub-user in whose name a source is read does not exist, or is another merchant's.

    It says nothing of the key. Every request of the source in its name would end so.
    """

    guidance = "Set `on_behalf_of` of this source to the id or the externalId of a sub-user of this merchant."


class OutcomeUnknown(SourceError):
    """A request that must not be repeated got no valid response; it may have taken effect."""

    guidance = "Check in the source's dashboard whether the request took effect before you repeat it."


@dataclass(eq=False)
class TransientError(SourceError):
    """A temporary failure; `retry_after` is the seconds that the source asks to wait, if it does."""

    guidance = "Several attempts failed; the next run tries again."

    retry_after: float | None = None


class RateLimited(TransientError):
    """The requests in a minute exceed the tier's limit."""


class OnHold(RateLimited):
    """The source asks to send nothing for longer than a run waits; nothing is sent until then."""

    guidance = "Floorline sends nothing with this key until then; `floorline status` shows the time."


class Busy(TransientError):
    """The source still serves another request of this key."""


class Unavailable(TransientError):
    """The source, or a service behind it, is down (5xx)."""


class Outage(Unavailable):
    """The source announces that it is down for a while: worth one more attempt, not several."""


class RequestTimeout(TransientError):
    """No complete response within the deadline of one request."""


class ConnectionLost(TransientError):
    """No connection, or a connection that ended before the response was complete."""


class ConnectFailed(ConnectionLost):
    """No connection could be established: nothing was sent."""

    guidance = "Check `base_url`, the network and any proxy; the next run tries again."


class PaginationError(SourceError):
    """The pages do not add up to a complete listing; the landed pages are not lost."""

    guidance = "The shard is incomplete: it closes no quotes, and the next run fetches it again."


class UnexpectedResponse(SourceError):
    """A response that the contract of the source does not allow."""

    guidance = "Check `base_url` and any proxy; otherwise the API has changed."


class TooLarge(UnexpectedResponse):
    """A response that is larger than any that the API can mean; it was not read to its end."""


class Intercepted(UnexpectedResponse):
    """A response that is not the API's own: a proxy, a firewall or a login page answers in its place.

    It says nothing of the key. It is not retried inside the run, because the answer is given on purpose.
    """

    guidance = (
        "Check `base_url`, any proxy and the network: this says nothing of the key. The next run tries again."
    )


class SourceIntercepted(Intercepted):
    """Something answered several requests in a row in the API's place: no other request is sent."""


class InterceptedPage(Intercepted, Unavailable):
    """A success that is not the API's own, such as the page of a failing cache; retried."""


class Unforeseen(SourceError):
    """Floorline itself failed on a response of the source; `detail` says where. Other sources go on."""

    guidance = "This is a bug of Floorline: please report this line."

    @staticmethod
    def of(error: Exception, source: str) -> Unforeseen:
        """Return the error of `source` for an exception that nobody expected: its type, and where it arose.

        Its text is left out: it may have foreign text, or the key.
        """
        if is_shortage(error):
            return ShortOfResources(f"{LACK}: {name_place(error)}", source)
        return Unforeseen(f"Floorline could not handle a response: {name_place(error)}", source)


class ShortOfResources(Unforeseen):
    """The machine had no memory, thread or descriptor for a response of the source."""

    guidance = "End other programs or raise the limit (`ulimit -a` shows it), then run the command again."

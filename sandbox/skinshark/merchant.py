"""SkinShark's merchant: its keys and their pinned addresses, the account's state and its token bucket."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.http_types import Json

FIRST_KEY = "sk_live_sandbox_first_00000001"
SECOND_KEY = "sk_live_sandbox_second_0000002"
TOKENS = {
    "standard": 60,
    "premium": 180,
    "enterprise": 360,
}  # by tier; an empty bucket is full after a minute
LISTING_COST = 5  # tokens; any other request costs one
# The errors that the API documents for these routes: key, code and status.
ERRORS: Mapping[str, tuple[int, int]] = {
    "VALIDATION_FAILED": (1001, 422),
    "BAD_REQUEST": (1000, 400),
    "NOT_FOUND": (1002, 404),
    "RATE_LIMITED": (1005, 429),
    "INTERNAL": (1006, 500),
    "MAINTENANCE_MODE": (1007, 503),
    "MISSING_API_KEY": (1104, 401),
    "INVALID_API_KEY": (1105, 401),
    "API_KEY_REVOKED": (1106, 401),
    "FORBIDDEN": (1300, 403),
    "ACCOUNT_SUSPENDED": (1301, 403),
    "ACCOUNT_DELETED": (1302, 403),
    "ACCOUNT_LOCKED": (1303, 403),
    "API_KEY_IP_DENIED": (1305, 403),
    "USER_NOT_FOUND": (1307, 404),
    "MARKET_UNAVAILABLE": (2000, 503),
    "MARKET_TIMEOUT": (2001, 504),
}
_STATES = {
    "suspended": "ACCOUNT_SUSPENDED",
    "deleted": "ACCOUNT_DELETED",
    "locked": "ACCOUNT_LOCKED",
}


class ApiError(Exception):
    """A request that the rules refuse with one of `ERRORS`; `details` say which field is wrong."""

    def __init__(
        self,
        key: str,
        message: str = "",
        *,
        details: Json = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(key)
        self.key, self.details, self.headers = key, details, dict(headers or {})
        self.code, self.status = ERRORS[key]
        self.message = message or key.replace("_", " ").capitalize()

    def to_envelope(self) -> dict[str, Json]:
        """Return the `error` object of the envelope."""
        error: dict[str, Json] = {"code": self.code, "key": self.key, "message": self.message}
        return error if self.details is None else {**error, "meta": {"details": self.details}}


@dataclass(slots=True)
class MerchantKey:
    """A key: its state, and the addresses that it is pinned to (None: any)."""

    state: str = "valid"
    addresses: frozenset[str] | None = None


@dataclass(slots=True)
class Merchant:
    """A merchant with any number of keys; two of them are valid during a change of keys.

    `state` is active, suspended, deleted or locked. The bucket refills evenly, by the sandbox's clock.
    """

    tier: str = "standard"
    state: str = "active"
    enforced: bool = True
    keys: dict[str, MerchantKey] = field(
        default_factory=lambda: {FIRST_KEY: MerchantKey(), SECOND_KEY: MerchantKey()}, repr=False
    )
    spent: float = 0.0  # tokens missing from the bucket at `at`
    at: float = 0.0  # Unix seconds

    def __post_init__(self) -> None:
        if self.tier not in TOKENS:
            raise ValueError(f"the tier of a merchant is one of {', '.join(TOKENS)}, not {self.tier}")

    def revoke(self, text: str = FIRST_KEY) -> None:
        """Revoke a key. Raises KeyError for an unknown key."""
        self.keys[text].state = "revoked"

    def restore(self, text: str = FIRST_KEY) -> None:
        """Add a key, or make a revoked one valid again."""
        self.keys[text] = MerchantKey()

    def pin(self, *addresses: str, text: str = FIRST_KEY) -> None:
        """Pin a key to these addresses. Raises KeyError for an unknown key."""
        self.keys[text].addresses = frozenset(addresses)

    def admit(self, text: str | None, address: str, *, cost: int, now: float) -> None:
        """Accept a request and charge its cost in tokens, or raise the ApiError of the rules."""
        if text is None:
            raise ApiError("MISSING_API_KEY")
        key = self.keys.get(text)
        if key is None:
            raise ApiError("INVALID_API_KEY")
        if key.state != "valid":
            raise ApiError("API_KEY_REVOKED")
        if key.addresses is not None and address not in key.addresses:
            raise ApiError("API_KEY_IP_DENIED", f"{address} is not on the allowlist of this key")
        if self.state in _STATES:
            raise ApiError(_STATES[self.state])
        if self.enforced:
            self._charge(cost, now)

    def _charge(self, cost: int, now: float) -> None:
        """Take tokens from the bucket; a refused request takes none and gets a `retry-after`."""
        tokens = TOKENS[self.tier]
        rate = tokens / 60
        self.spent, self.at = max(self.spent - (now - self.at) * rate, 0.0), now
        if self.spent + cost > tokens:
            wait = max(1, -int(-((self.spent + cost - tokens) / rate) // 1))
            raise ApiError("RATE_LIMITED", headers={"retry-after": str(wait)})
        self.spent += cost

"""SkinShark's merchant: keys and their addresses, sub-users, the state of the account, the token bucket."""

from dataclasses import dataclass, field

from sandbox.skinshark.errors import ApiError

FIRST_KEY = "sk_live_sandbox_first_00000001"
SECOND_KEY = "sk_live_sandbox_second_0000002"
TOKENS = {
    "standard": 60,
    "premium": 180,
    "enterprise": 360,
}  # by tier; an empty bucket is full after a minute
# A sub-user: the merchant's own id for it, and SkinShark's.
SUB_USER = ("customer-7", "7d0a4f5e-52c4-4c4e-8f8e-0f9d3c1b2a07")
ACTIVE = "active"
_STATES = {
    "suspended": "ACCOUNT_SUSPENDED",
    "deleted": "ACCOUNT_DELETED",
    "locked": "ACCOUNT_LOCKED",
    "unverified": "EMAIL_NOT_VERIFIED",
}


@dataclass(slots=True)
class MerchantKey:
    """A key: its state, and the addresses that it is pinned to (None: any)."""

    state: str = "valid"
    addresses: frozenset[str] | None = None


@dataclass(slots=True)
class Merchant:
    """A merchant with any number of keys; two of them are valid during a change of keys.

    `state` is active, suspended, deleted, locked or unverified. `sub_users` has SkinShark's id of each
    sub-user by the merchant's own id. The bucket refills evenly, by the sandbox's clock.
    """

    tier: str = "standard"
    state: str = ACTIVE
    enforced: bool = True
    keys: dict[str, MerchantKey] = field(
        default_factory=lambda: {FIRST_KEY: MerchantKey(), SECOND_KEY: MerchantKey()}, repr=False
    )
    sub_users: dict[str, str] = field(default_factory=lambda: dict([SUB_USER]))
    spent: float = 0.0  # tokens missing from the bucket at `at`
    at: float = 0.0  # Unix seconds

    def __post_init__(self) -> None:
        self.change(state=self.state, tier=self.tier)

    def change(self, *, state: str, tier: str) -> None:
        """Change the state of the account and its tier. Raises ValueError."""
        if tier not in TOKENS:
            raise ValueError(f"the tier of a merchant is one of {', '.join(TOKENS)}, not {tier}")
        states = (ACTIVE, *_STATES)
        if state not in states:
            raise ValueError(f"the state of a merchant is one of {', '.join(states)}, not {state}")
        self.state, self.tier = state, tier

    def revoke(self, text: str = FIRST_KEY) -> None:
        """Revoke a key. Raises KeyError for an unknown key."""
        self.keys[text].state = "revoked"

    def restore(self, text: str = FIRST_KEY) -> None:
        """Add a key, or make a revoked one valid again."""
        self.keys[text] = MerchantKey()

    def pin(self, *addresses: str, text: str = FIRST_KEY) -> None:
        """Pin a key to these addresses. Raises KeyError for an unknown key."""
        self.keys[text].addresses = frozenset(addresses)

    def find_user(self, name: str) -> str:
        """Return SkinShark's id of a sub-user by either of its ids; raise the ApiError for a foreign one."""
        if name in self.sub_users.values():
            return name
        if name not in self.sub_users:
            raise ApiError("USER_NOT_FOUND", "User not found")
        return self.sub_users[name]

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

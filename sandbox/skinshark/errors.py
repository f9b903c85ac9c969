"""SkinShark's errors: key, code and status of each, and the refusal of a request with one of them."""

from collections.abc import Mapping, Sequence

from sandbox.http_types import Json

# The documents give no codes for the last three.
ERRORS: Mapping[str, tuple[int, int]] = {
    "VALIDATION_FAILED": (1001, 422),
    "BAD_REQUEST": (1002, 400),
    "NOT_FOUND": (1003, 404),
    "RATE_LIMITED": (1005, 429),
    "INTERNAL": (1006, 500),
    "MAINTENANCE_MODE": (1007, 503),
    "UNAUTHORIZED": (1100, 401),
    "MISSING_API_KEY": (1104, 401),
    "INVALID_API_KEY": (1105, 401),
    "API_KEY_REVOKED": (1106, 401),
    "FORBIDDEN": (1300, 403),
    "ACCOUNT_SUSPENDED": (1301, 403),
    "ACCOUNT_DELETED": (1302, 403),
    "ACCOUNT_LOCKED": (1303, 403),
    "EMAIL_NOT_VERIFIED": (1304, 403),
    "API_KEY_IP_DENIED": (1305, 403),
    "USER_NOT_OWNED": (1306, 403),
    "USER_NOT_FOUND": (1307, 404),
    "MARKET_UNAVAILABLE": (2000, 503),
    "MARKET_TIMEOUT": (2001, 504),
    "LISTING_NOT_FOUND": (2011, 404),
    "PRICING_UNAVAILABLE": (2109, 503),
    "SERVICE_DISABLED": (0, 403),
    "SELL_DISABLED": (0, 403),
    "SELL_REQUIRES_MERCHANT": (0, 403),
}


class ApiError(Exception):
    """A request that the rules refuse; `details` say which fields are wrong.

    `key` is one of `ERRORS`, or a new one that comes with its `status`.
    """

    def __init__(
        self,
        key: str,
        message: str = "",
        *,
        details: Json = None,
        headers: Mapping[str, str] | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(key)
        self.key, self.details, self.headers = key, details, dict(headers or {})
        self.code, known_status = ERRORS.get(key, (0, 500))
        self.status = status or known_status
        self.message = message or key.replace("_", " ").capitalize()

    def to_envelope(self) -> dict[str, Json]:
        """Return the `error` object of the envelope."""
        error: dict[str, Json] = {"code": self.code, "key": self.key, "message": self.message}
        return error if self.details is None else {**error, "meta": {"details": self.details}}


def wrong_field(path: Sequence[str | int], message: str) -> ApiError:
    """Return the error of a request with one wrong field; the path of the field is a list."""
    return ApiError(
        "VALIDATION_FAILED", "Validation failed", details=[{"path": list(path), "message": message}]
    )

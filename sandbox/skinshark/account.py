"""What SkinShark says about the merchant and of a sub-user, in both shapes of the documents."""

from sandbox.http_types import Json
from sandbox.skinshark.listing import FEE_PERCENT

FEES_ROUTE = "/merchant/fees"
MERCHANT_ID = "4b1f0c52-8c1c-4f0e-9d55-0d5a2f1f7a10"
_FEE_BPS = FEE_PERCENT * 100
_HOUSE_BPS = 0
_FEES: dict[str, dict[str, Json]] = {
    "old": {"merchantFeeBps": _FEE_BPS},
    "new": {"buyFeeBps": _FEE_BPS, "sellFeeBps": _FEE_BPS},
}
# The contract names these only as operations of the dashboard; the paths are the sandbox's own.
_DASHBOARD_PATHS = (
    "/merchant/api-keys",
    "/merchant/webhooks",
    "/merchant/settings",
    "/merchant/audit-logs",
    "/merchant/exports",
)


def is_dashboard_only(method: str, path: str) -> bool:
    """Return whether a route takes a session of the dashboard, and no API key."""
    changes_fees = path == FEES_ROUTE and method != "GET"
    return changes_fees or any(path == route or path.startswith(f"{route}/") for route in _DASHBOARD_PATHS)


def merchant_profile(shape: str) -> dict[str, Json]:
    """Return the data of `GET /merchant`."""
    return {
        **_person(MERCHANT_ID, roles=["user", "merchant"]),
        "feeBps": _HOUSE_BPS,
        **_FEES[shape],
        "childDefaultFeeBps": None,
        "wallets": {"spot": {"currency": "USD", "balance": 0}, "earnings": None},
    }


def merchant_fees(shape: str) -> dict[str, Json]:
    """Return the data of `GET /merchant/fees`."""
    return {
        **_FEES[shape],
        "childDefaultFeeBps": None,
        "globalDefaultFeeBps": _HOUSE_BPS,
        "effectiveChildFeeBps": _HOUSE_BPS,
    }


def user_profile(user_id: str | None) -> dict[str, Json]:
    """Return the data of `GET /user`: of a sub-user, or of the merchant itself."""
    roles: list[Json] = ["user"] if user_id else ["user", "merchant"]
    wallet: Json = {"currency": "USD", "balance": 0}
    return {**_person(user_id or MERCHANT_ID, roles), "steam": None, "discord": None, "wallet": wallet}


def _person(user_id: str, roles: list[Json]) -> dict[str, Json]:
    return {
        "id": user_id,
        "email": "merchant@example.com" if user_id == MERCHANT_ID else "customer@example.com",
        "emailVerified": True,
        "country": None,
        "roles": roles,
        "twoFactorEnabled": False,
        "twoFactorMethod": None,
        "createdAt": "2026-01-01T00:00:00.000Z",
    }

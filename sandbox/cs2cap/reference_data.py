"""The JSON of reference data: catalog, marketplaces, exchange rates, and the account's key."""

from collections.abc import Iterable
from datetime import datetime

from sandbox.clock import MINUTE, iso, micros
from sandbox.cs2cap.keys import ApiKey
from sandbox.http_types import Json
from sandbox.market.catalog import Item
from sandbox.market.market import Market
from sandbox.market.providers import PROVIDERS, SELLERS, Provider
from sandbox.market.sides import BUYERS

KEY_SHOWN_ONCE = "Store this key securely. It will not be shown again."
_DEGRADED = "dupefi"  # one marketplace is always degraded


def item_json(item: Item) -> dict[str, Json]:
    """Return one item of `/v1/items`."""
    draft = item.draft
    return {
        "item_id": item.item_id,
        "market_hash_name": item.name,
        "phase": item.phase,
        "item_type": draft.item_type,
        "item_subtype": draft.subtype,
        "weapon_type": draft.weapon_type,
        "base_name": draft.base,
        "skin_name": draft.skin,
        "wear_name": draft.wear,
        "is_stattrak": "StatTrak™" in item.name,
        "is_souvenir": item.name.startswith("Souvenir "),
    }


def providers_json(market: Market, providers: Iterable[Provider], now: int) -> dict[str, Json]:
    """Return the response of `/v1/providers`: providers by display name."""
    return {provider.name: _provider_json(market, provider, now) for provider in providers}


def _provider_json(market: Market, provider: Provider, now: int) -> dict[str, Json]:
    position = PROVIDERS.index(provider)
    listed = len(market.listed((position,)))
    degraded = "degraded" if provider.key == _DEGRADED else "up"
    health: dict[str, Json] = {
        "status": "down" if position in market.dark else degraded,
        "last_checked_at": iso(now // MINUTE * MINUTE),
        "unique_items": listed,
        "market_coverage": round(100 * listed / len(market.board.catalog.items), 2),
    }
    return {
        "key": provider.key,
        "logo": f"https://cdn.cs2c.example/logos/{provider.key}.png",
        "code": provider.key.upper()[:4],
        "market_type": provider.market_type.upper(),
        "default_currency": provider.currency,
        "fees": {"sell_fee": provider.sell_fee, "insta_sell_fee": None, "trading_spread_fee": None},
        "features": {"has_buy_orders": position in BUYERS, "has_recent_sales": position in SELLERS},
        "health": health,
    }


def fx_json(market: Market) -> dict[str, Json]:
    """Return the response of `/v1/fx`: units of each currency per US dollar."""
    rates: dict[str, Json] = {code: float(rate) for code, rate in market.rates.items()}
    return {"timestamp": iso(market.rates_since), "rates": rates}


def key_json(key: ApiKey, now: datetime, *, limits: tuple[int, int]) -> dict[str, Json]:
    """Return the response of `/v1/account/key`, without the key itself; `limits` of a month and a minute."""
    per_month, per_minute = limits
    info: dict[str, Json] = {
        "id": key.id,
        "key_prefix": key.text[:10],
        "name": key.label,
        "root_key_id": (key.root or key).id,
        "is_root_key": key.root is None,
        "is_active": key.active,
        "created_at": _iso_or_none(key.created_at),
        "last_used_at": _iso_or_none(key.last_used_at),
        "expires_at": _iso_or_none(key.expires_at),
        "quota_requests_per_month_override": key.month_cap,
        "rate_requests_per_minute_override": key.minute_cap,
        "effective_quota_requests_per_month": per_month,
        "effective_rate_requests_per_minute": per_minute,
    }
    return {"key": info, "requests_this_month": key.used_in(now)}


def reissued_key_json(key: ApiKey) -> dict[str, Json]:
    """Return the response of `/v1/account/key/reissue`, the only one with the root key itself."""
    return {
        "key": key.text,
        "key_prefix": key.text[:10],
        "id": key.id,
        "created_at": _iso_or_none(key.created_at),
        "message": KEY_SHOWN_ONCE,
    }


def _iso_or_none(at: datetime | None) -> str | None:
    return iso(micros(at)) if at else None

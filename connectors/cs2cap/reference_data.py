"""Parse CS2Cap's reference data: the catalog, the providers, the exchange rates and the account."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from decimal import Context, Decimal, InvalidOperation
from typing import Final

import msgspec
import polars as pl
from msgspec import Struct

from common.errors import KeyInvalid, OutcomeUnknown, UnexpectedResponse
from common.text import sanitize
from connectors.base import Account
from connectors.cs2cap.contract import AwareDatetime, Int64, NonEmptyStr
from connectors.decoding import decode_response
from connectors.http.auth import Key
from connectors.schemas import FX, ITEMS, PROVIDERS

_PRECISION: Final = Context(prec=38)


class _Item(Struct, gc=False):
    market_hash_name: NonEmptyStr
    item_id: Int64 | None = None
    phase: str | None = None
    item_type: str | None = None
    item_subtype: str | None = None
    weapon_type: str | None = None
    base_name: str | None = None
    skin_name: str | None = None
    wear_name: str | None = None
    collection: str | None = None
    rarity_name: str | None = None
    is_stattrak: bool | None = None
    is_souvenir: bool | None = None


class _Items(Struct):
    items: list[_Item]


class _Fees(Struct):
    sell_fee: float | None = None
    insta_sell_fee: float | None = None
    trading_spread_fee: float | None = None


class _Features(Struct):
    has_buy_orders: bool | None = None
    has_recent_sales: bool | None = None


class _Health(Struct):
    status: str | None = None


class _Provider(Struct):
    key: NonEmptyStr
    fees: _Fees | None = None
    features: _Features | None = None
    health: _Health | None = None
    market_type: str | None = None
    default_currency: str | None = None


class _Fx(Struct):
    rates: dict[str, Decimal]
    timestamp: AwareDatetime | None = None


class _KeyInfo(Struct):
    is_active: bool
    is_root_key: bool = True
    expires_at: AwareDatetime | None = None
    effective_quota_requests_per_month: int | None = None
    effective_rate_requests_per_minute: int | None = None


class _KeyResponse(Struct):
    key: _KeyInfo
    requests_this_month: int | None = None


class _NewKey(Struct):
    key: str


_ITEMS: Final = msgspec.json.Decoder(_Items)
_PROVIDERS: Final = msgspec.json.Decoder(dict[str, _Provider])
_FX: Final = msgspec.json.Decoder(_Fx)
_KEY: Final = msgspec.json.Decoder(_KeyResponse)
_NEW_KEY: Final = msgspec.json.Decoder(_NewKey)
# The documented tiers by requests per minute and month: the API names the tier only near a limit.
_TIERS: Final = {
    (20, 1_000): "free",
    (40, 50_000): "starter",
    (100, 500_000): "pro",
    (300, 1_000_000): "quant",
}


def parse_items(body: bytes, source: str = "") -> pl.DataFrame:
    """Parse `/v1/items`, the catalog, schema `ITEMS`; raises UnexpectedResponse where it does not fit."""
    items = decode_response(_ITEMS, body, route="/v1/items", source=source).items
    columns = {name: [getattr(item, name) for item in items] for name in ITEMS}
    columns["item_id"] = [None if item.item_id is None else str(item.item_id) for item in items]
    return pl.DataFrame(columns, schema=ITEMS, strict=True)


def parse_providers(body: bytes, source: str = "") -> pl.DataFrame:
    """Parse `/v1/providers`, schema `PROVIDERS`; raises UnexpectedResponse where it does not fit.

    `market_type` and `health` are in lower case: the API's documents show them in both cases.
    """
    providers = decode_response(_PROVIDERS, body, route="/v1/providers", source=source)
    rows = [
        {
            "provider": info.key,
            "name": name,
            "market_type": _lower(info.market_type),
            "default_currency": info.default_currency,
            "health": _lower((info.health or _Health()).status),
            **msgspec.structs.asdict(info.fees or _Fees()),
            **msgspec.structs.asdict(info.features or _Features()),
        }
        for name, info in providers.items()
    ]
    return pl.DataFrame(rows, schema=PROVIDERS, strict=True)


def _lower(word: str | None) -> str | None:
    return None if word is None else word.lower()


def parse_fx(
    body: bytes,
    observed_at: datetime,
    source: str = "",
    *,
    is_ahead: Callable[[datetime], bool] = lambda _moment: False,
) -> pl.DataFrame:
    """Parse `/v1/fx`, schema `FX`: units of a currency for one USD, exact to 18 places.

    The column `moment` is the API's timestamp, or `observed_at` (UTC) where it gives none, or one that
    `is_ahead` of our clock and would be the newest for ever. Raises UnexpectedResponse where a rate is not a
    positive number.
    """
    fx = decode_response(_FX, body, route="/v1/fx", source=source)
    rates = {code.upper(): _rate(code, rate, source) for code, rate in fx.rates.items()}
    moment = observed_at if fx.timestamp is None or is_ahead(fx.timestamp) else fx.timestamp
    columns = {"currency": list(rates), "rate": list(rates.values()), "moment": [moment] * len(rates)}
    return pl.DataFrame(columns, schema=FX, strict=True)


def _rate(code: str, rate: Decimal, source: str) -> Decimal:
    with suppress(InvalidOperation):  # too large for the precision, or no number to compare
        exact = rate.quantize(Decimal(1).scaleb(-18), context=_PRECISION)
        if exact > 0:
            return exact
    raise UnexpectedResponse(f"/v1/fx: the rate of {sanitize(code, 20)} is not a positive number", source)


def parse_account(body: bytes, tier: str | None, source: str = "") -> Account:
    """Parse `/v1/account/key`; raises UnexpectedResponse where it does not fit.

    `tier` is the one that a header names, if any. In the API's contract a limit of 0 means an unknown limit.
    """
    response = decode_response(_KEY, body, route="/v1/account/key", source=source)
    key = response.key
    per_minute = key.effective_rate_requests_per_minute or None
    per_month = key.effective_quota_requests_per_month or None
    return Account(
        tier=tier or _TIERS.get((per_minute or 0, per_month or 0)),
        requests_per_minute=per_minute,
        requests_per_month=per_month,
        used=response.requests_this_month,
        expires_at=key.expires_at,
        active=key.is_active,
        root=key.is_root_key,
    )


def parse_new_key(body: bytes, source: str = "") -> Key:
    """Parse `/v1/account/key/reissue`; raises OutcomeUnknown where it does not contain a key."""
    try:
        return Key(_NEW_KEY.decode(body).key, source)
    except (msgspec.DecodeError, UnicodeDecodeError, KeyInvalid):
        body = b""  # a traceback may show local variables
    raise OutcomeUnknown("POST /v1/account/key/reissue: the response holds no key", source)

"""Parse CS2Cap's reference data: the catalog, the providers and the exchange rates."""

from collections.abc import Callable
from datetime import datetime
from decimal import Context, Decimal, InvalidOperation
from typing import Final, TypeVar

import msgspec
import polars as pl
from msgspec import Raw, Struct

from common.text import sanitize
from connectors.base import LEFT_OUT
from connectors.cs2cap.contract import AwareDatetime, Int64, NonEmptyStr
from connectors.cs2cap.entries import OnOdd, decode_entries, decode_whole, split_response, utc_or_none
from connectors.decoding import DECODE_ERRORS, EntryDecoder, PageDecoder
from connectors.schemas import FX, ITEMS, PROVIDERS

_PRECISION: Final = Context(prec=38)
_S = TypeVar("_S", bound=Struct)


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

    def __post_init__(self) -> None:
        self.phase = self.phase or None


class _Items(Struct):
    items: list[Raw]


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
    fees: Raw = Raw(b"null")
    features: Raw = Raw(b"null")
    health: Raw = Raw(b"null")
    market_type: str | None = None
    default_currency: str | None = None


class _Fx(Struct):
    rates: Raw
    timestamp: AwareDatetime | None = None


_ITEMS: Final = PageDecoder(_Items)
_ITEM: Final = EntryDecoder(_Item, identity=("item_id", "phase"))
_PROVIDER: Final = EntryDecoder(_Provider)
_FEES: Final = EntryDecoder(_Fees)
_FEATURES: Final = EntryDecoder(_Features)
_HEALTH: Final = EntryDecoder(_Health)
_FX: Final = EntryDecoder(_Fx)
_RATE: Final = msgspec.json.Decoder(Decimal)


def parse_items(body: bytes, source: str = "", *, on_odd: OnOdd = lambda _: None) -> pl.DataFrame:
    """Parse `/v1/items`, the catalog, schema `ITEMS`; an entry without a readable id or name is left out.

    Raises UnexpectedResponse where the body is no catalog, or no entry can be read.
    """
    route = "/v1/items"
    raws = _ITEMS.decode_response(body, route=route, source=source).items
    entries = (("", bytes(raw)) for raw in raws)
    items = [item for _, item in decode_entries(entries, _ITEM.decode, route, source=source, on_odd=on_odd)]
    columns = {name: [getattr(item, name) for item in items] for name in ITEMS}
    columns["item_id"] = [None if item.item_id is None else str(item.item_id) for item in items]
    return pl.DataFrame(columns, schema=ITEMS, strict=True)


def parse_providers(body: bytes, source: str = "", *, on_odd: OnOdd = lambda _: None) -> pl.DataFrame:
    """Parse `/v1/providers`, schema `PROVIDERS`; an entry without a readable name or key is left out.

    `market_type` and `health` are in lower case: the API's documents show them in both cases. Raises
    UnexpectedResponse where the body is no such object, or no entry can be read.
    """
    route = "/v1/providers"
    entries = split_response(body, route, source)
    named = decode_entries(entries, _decode_provider, route, source=source, on_odd=on_odd)
    rows: dict[object, dict[str, object]] = {}
    for name, row in named:
        key = row.pop("key")
        if key in rows:
            on_odd(sanitize(f"{name}: {LEFT_OUT}its key is that of {rows[key]['name']}"))
        else:
            rows[key] = {"provider": key, "name": name, **row}
    return pl.DataFrame(list(rows.values()), schema=PROVIDERS, strict=True)


def _decode_provider(raw: bytes) -> tuple[dict[str, object], list[str]]:
    info, problems = _PROVIDER.decode(raw)
    fees, odd_fees = _decode_part(_FEES, info.fees, _Fees())
    features, odd_features = _decode_part(_FEATURES, info.features, _Features())
    health, odd_health = _decode_part(_HEALTH, info.health, _Health())
    row = {
        "key": info.key,
        "market_type": _lower(info.market_type),
        "default_currency": info.default_currency,
        "health": _lower(health.status),
        **msgspec.structs.asdict(fees),
        **msgspec.structs.asdict(features),
    }
    return row, [*problems, *odd_fees, *odd_features, *odd_health]


def _decode_part(decoder: EntryDecoder[_S], raw: Raw, missing: _S) -> tuple[_S, list[str]]:
    """Decode a part of an entry; return `missing` for null and for a part that cannot be read."""
    if bytes(raw) == b"null":
        return missing, []
    try:
        return decoder.decode(raw)
    except DECODE_ERRORS as error:
        return missing, [str(error)]


def _lower(word: str | None) -> str | None:
    return None if word is None else word.lower()


def parse_fx(
    body: bytes,
    observed_at: datetime,
    source: str = "",
    *,
    is_ahead: Callable[[datetime], bool] = lambda _moment: False,
    on_odd: OnOdd = lambda _: None,
) -> pl.DataFrame:
    """Parse `/v1/fx`, schema `FX`: units of a currency for one USD, exact to 18 places.

    The column `moment` is the API's timestamp, or `observed_at` (UTC) where it gives none, or one that
    `is_ahead` of our clock and would be the newest for ever. A rate that is not a positive number is left
    out. Raises UnexpectedResponse where the body is no table, or no rate can be read.
    """
    route = "/v1/fx"
    fx = decode_whole(_FX, body, route, source=source, on_odd=on_odd)
    entries = split_response(bytes(fx.rates), route, source)
    named = decode_entries(entries, _decode_rate, route, source=source, on_odd=on_odd)
    rates = {code.upper(): rate for code, rate in named}
    moment = utc_or_none(fx.timestamp)
    if moment is None or is_ahead(moment):
        moment = observed_at
    columns = {"currency": list(rates), "rate": list(rates.values()), "moment": [moment] * len(rates)}
    return pl.DataFrame(columns, schema=FX, strict=True)


def _decode_rate(raw: bytes) -> tuple[Decimal, list[str]]:
    """Return a rate and no problem; raises ValueError where it is not a positive number."""
    try:
        rate = _RATE.decode(raw).quantize(Decimal(1).scaleb(-18), context=_PRECISION)
        if rate > 0:
            return rate, []
    except InvalidOperation:  # too large for the precision, or no number to compare
        pass
    raise ValueError("the rate is not a positive number")

"""Parse CS2Cap's reference data: the catalog, the providers, the exchange rates and the account."""

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Context, Decimal, InvalidOperation
from typing import Annotated, Final, TypeVar

import msgspec
import polars as pl
from msgspec import Meta, Raw, Struct

from common.errors import KeyInvalid, OutcomeUnknown, UnexpectedResponse
from common.text import sanitize
from connectors.base import LEFT_OUT, Account
from connectors.cs2cap.contract import AwareDatetime, Int64, NonEmptyStr, to_utc
from connectors.decoding import DECODE_ERRORS, EntryDecoder, PageDecoder
from connectors.http.auth import Key
from connectors.json_text import split_members
from connectors.schemas import FX, ITEMS, PROVIDERS

_PRECISION: Final = Context(prec=38)
_SHOWN: Final = 60  # characters of an entry without a name
_T = TypeVar("_T")
_S = TypeVar("_S", bound=Struct)
# Takes an entry of a side table that cannot be read, or not completely: what it is, and why.
OnOdd = Callable[[str], object]


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


# A limit of 0 means an unknown limit; one beyond these bounds means nothing.
_Requests = Annotated[int, Meta(ge=0, le=10**12)]


class _KeyInfo(Struct):
    is_active: bool
    is_root_key: bool = True
    expires_at: AwareDatetime | None = None
    effective_quota_requests_per_month: _Requests | None = None
    effective_rate_requests_per_minute: _Requests | None = None


class _KeyResponse(Struct):
    key: Raw
    requests_this_month: _Requests | None = None


class _NewKey(Struct):
    key: str


_ITEMS: Final = PageDecoder(_Items)
_ITEM: Final = EntryDecoder(_Item, identity=("item_id", "phase"))
_PROVIDER: Final = EntryDecoder(_Provider)
_FEES: Final = EntryDecoder(_Fees)
_FEATURES: Final = EntryDecoder(_Features)
_HEALTH: Final = EntryDecoder(_Health)
_FX: Final = EntryDecoder(_Fx)
_RATE: Final = msgspec.json.Decoder(Decimal)
_KEY_RESPONSE: Final = EntryDecoder(_KeyResponse)
_KEY: Final = EntryDecoder(_KeyInfo)
_NEW_KEY: Final = msgspec.json.Decoder(_NewKey)
# The documented tiers by requests per minute and month: the API names the tier only near a limit.
_TIERS: Final = {
    (20, 1_000): "free",
    (40, 50_000): "starter",
    (100, 500_000): "pro",
    (300, 1_000_000): "quant",
}


def parse_items(body: bytes, source: str = "", *, on_odd: OnOdd = lambda _: None) -> pl.DataFrame:
    """Parse `/v1/items`, the catalog, schema `ITEMS`; an entry without a readable id or name is left out.

    Raises UnexpectedResponse where the body is no catalog, or no entry can be read.
    """
    route = "/v1/items"
    raws = _ITEMS.decode_response(body, route=route, source=source).items
    entries = (("", bytes(raw)) for raw in raws)
    items = [item for _, item in _decode_entries(entries, _ITEM.decode, route, source=source, on_odd=on_odd)]
    columns = {name: [getattr(item, name) for item in items] for name in ITEMS}
    columns["item_id"] = [None if item.item_id is None else str(item.item_id) for item in items]
    return pl.DataFrame(columns, schema=ITEMS, strict=True)


def parse_providers(body: bytes, source: str = "", *, on_odd: OnOdd = lambda _: None) -> pl.DataFrame:
    """Parse `/v1/providers`, schema `PROVIDERS`; an entry without a readable name or key is left out.

    `market_type` and `health` are in lower case: the API's documents show them in both cases. Raises
    UnexpectedResponse where the body is no such object, or no entry can be read.
    """
    route = "/v1/providers"
    entries = _split_response(body, route, source)
    named = _decode_entries(entries, _decode_provider, route, source=source, on_odd=on_odd)
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
    fx = _decode_whole(_FX, body, route, source=source, on_odd=on_odd)
    entries = _split_response(bytes(fx.rates), route, source)
    named = _decode_entries(entries, _decode_rate, route, source=source, on_odd=on_odd)
    rates = {code.upper(): rate for code, rate in named}
    moment = _utc_or_none(fx.timestamp)
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


def parse_account(
    body: bytes, tier: str | None, source: str = "", *, on_odd: OnOdd = lambda _: None
) -> Account:
    """Parse `/v1/account/key`; raises UnexpectedResponse where it does not say whether the key is active.

    `tier` is the one that a header names, if any. What cannot be read, or makes no sense, counts as unknown,
    and so does a limit of 0, by the API's contract.
    """
    route = "/v1/account/key"
    response = _decode_whole(_KEY_RESPONSE, body, route, source=source, on_odd=on_odd)
    key = _decode_whole(_KEY, bytes(response.key), route, source=source, on_odd=on_odd)
    per_minute = key.effective_rate_requests_per_minute or None
    per_month = key.effective_quota_requests_per_month or None
    return Account(
        tier=tier or _TIERS.get((per_minute or 0, per_month or 0)),
        requests_per_minute=per_minute,
        requests_per_month=per_month,
        used=response.requests_this_month,
        expires_at=_utc_or_none(key.expires_at),
        active=key.is_active,
        root=key.is_root_key,
    )


def _utc_or_none(time: datetime | None) -> datetime | None:
    try:
        return time and to_utc(time)
    except ValueError:
        return None


def _decode_whole(decoder: EntryDecoder[_S], body: bytes, route: str, *, source: str, on_odd: OnOdd) -> _S:
    """Decode an object, its optional fields as far as they can be read; raises UnexpectedResponse."""
    try:
        value, problems = decoder.decode(body)
    except DECODE_ERRORS as error:
        raise UnexpectedResponse(f"{route}: {sanitize(str(error))}", source) from None
    for problem in problems:
        on_odd(sanitize(problem))
    return value


def _split_response(body: bytes, route: str, source: str) -> list[tuple[str | None, bytes]]:
    try:
        return list(split_members(body))
    except ValueError:
        raise UnexpectedResponse(f"{route}: no JSON object with an entry for each name", source) from None


def _decode_entries(
    entries: Iterable[tuple[str | None, bytes]],
    decode: Callable[[bytes], tuple[_T, list[str]]],
    route: str,
    *,
    source: str,
    on_odd: OnOdd,
) -> list[tuple[str, _T]]:
    """Decode the entries of a side table one by one; `on_odd` takes those that lose a part or are left out.

    An entry is its name and its text; the name is empty where the text has it, and None where it is no JSON.
    Raises UnexpectedResponse where there are entries, and none can be read.
    """
    fitting: list[tuple[str, _T]] = []
    odd: list[str] = []
    for name, raw in entries:
        problems = [f"{LEFT_OUT}its name is no JSON"]
        if name is not None:
            try:
                entry, problems = decode(raw)
                fitting.append((name, entry))
            except (*DECODE_ERRORS, ValueError) as error:
                problems = [f"{LEFT_OUT}{error}"]
        if problems:
            odd.append(sanitize(f"{name or _find_name(raw)}: {'; '.join(problems)}"))
    if odd and not fitting:
        raise UnexpectedResponse(f"{route}: no entry can be read: {odd[0]}", source)
    for problem in odd:
        on_odd(problem)
    return fitting


def _find_name(raw: bytes) -> str:
    """Return the name or the id of an entry that cannot be read, or the beginning of its text."""
    text = raw.decode(errors="replace")
    try:
        entry = json.loads(text)  # reads what the strict decoder refuses, such as NaN
    except (ValueError, RecursionError):
        entry = None
    fields = entry if isinstance(entry, dict) else {}
    names = (fields.get(field) for field in ("market_hash_name", "key", "item_id"))
    return next((name for name in names if isinstance(name, str) and name), text[:_SHOWN])


def parse_new_key(body: bytes, source: str = "") -> Key:
    """Parse `/v1/account/key/reissue`; raises OutcomeUnknown where it does not contain a key."""
    try:
        return Key(_NEW_KEY.decode(body).key, source)
    except (*DECODE_ERRORS, KeyInvalid):
        body = b""  # a traceback may show local variables
    raise OutcomeUnknown("POST /v1/account/key/reissue: the response holds no key", source)

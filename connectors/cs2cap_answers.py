"""CS2Cap's prices, typed: a body in, a frame with a given schema out, and what does not fit aside."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, TypeVar

import msgspec
import polars as pl
from msgspec import Meta, Raw, Struct

from connectors.errors import ContractBroken, plain
from connectors.frames import (
    MOMENT,
    MONEY,
    QUOTES,
    Reject,
    fingerprint_of,
    keys_of,
    latest,
)

# Digits and a point only, within Decimal(20, 8): no sign, comma, exponent or ninth place.
_EXACT: Final = r"^[0-9]{1,12}(\.[0-9]{1,8})?$"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

Text = Annotated[str, Meta(min_length=1)]
Id = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Minor = Annotated[int, Meta(ge=0, le=10**14 - 1)]
Moment = Annotated[datetime, Meta(tz=True)]
_T = TypeVar("_T")


class _Row(Struct, gc=False, forbid_unknown_fields=True):
    """A row of `/v1/prices` as the contract has it; whether its decimal is exact is seen for a whole page."""

    provider: Text
    item_id: Id
    market_hash_name: Text
    lowest_ask: _Minor
    quantity: _Count
    phase: str | None = None
    lowest_ask_decimal: str | None = None
    link: str | None = None
    url: str | None = None
    timestamp: Moment | None = None
    last_updated: Moment | None = None


class _CheckedRow(_Row, gc=False, forbid_unknown_fields=False):
    """The same, on its own: unknown fields are counted elsewhere, the decimal is checked here."""

    lowest_ask_decimal: Annotated[str, Meta(pattern=_EXACT.replace("$", r"\Z"))] | None = None


class _Pagination(Struct):
    limit: Annotated[int, Meta(ge=1)]
    offset: Annotated[int, Meta(ge=0)]
    total: Annotated[int, Meta(ge=-1)]
    has_next: bool


class _Meta(Struct):
    currency: str


class _Prices(Struct):
    meta: _Meta
    items: list[_Row]
    pagination: _Pagination


class _RawPrices(Struct):
    meta: _Meta
    items: list[Raw]
    pagination: _Pagination


_PRICES: Final = msgspec.json.Decoder(_Prices)
_RAW_PRICES: Final = msgspec.json.Decoder(_RawPrices)
_CHECKED: Final = msgspec.json.Decoder(_CheckedRow)
_FIELDS: Final = msgspec.json.Decoder(dict[str, Raw])
_KNOWN: Final = frozenset(_Row.__struct_fields__)


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """One answer of `/v1/prices`: what it says about itself, and its rows.

    `rows` has the schema `QUOTES`, each key once, `keys` are their keys and `fingerprint` stands for them;
    `surplus` counts the rows that were repeated inside the answer, `rejects` are those that do not fit, and
    `unknown_fields` tells how many rows carry a field the contract does not know.
    """

    currency: str
    limit: int
    offset: int
    total: int
    has_next: bool
    rows: pl.DataFrame
    keys: Sequence[str]
    fingerprint: str
    surplus: int
    rejects: tuple[Reject, ...]
    unknown_fields: dict[str, int]


def read_prices(body: bytes, source: str = "") -> Prices:
    """Type one answer of `/v1/prices`; raises ContractBroken if it is no such answer at all.

    Almost every page is as the contract has it and is decoded in one go; only a page that is not is looked at
    row by row, to tell the rows that fit from those that do not.
    """
    page, meta, rows, rejects, unknown = _typed(body) or _sorted_out(body, source)
    keys = keys_of(rows)
    if surplus := len(keys) - len(set(keys)):
        rows = latest(rows)
        keys = keys_of(rows)
    return Prices(
        currency=meta.currency,
        limit=page.limit,
        offset=page.offset,
        total=page.total,
        has_next=page.has_next,
        rows=rows,
        keys=keys,
        fingerprint=fingerprint_of(keys),
        surplus=surplus,
        rejects=rejects,
        unknown_fields=unknown,
    )


def reread(raw: str) -> pl.DataFrame | None:
    """Type one rejected row anew, schema `QUOTES`; None if it still does not fit."""
    try:
        return _quotes([_CHECKED.decode(raw.encode())])
    except (msgspec.DecodeError, UnicodeError):
        return None


_Parts = tuple[_Pagination, _Meta, pl.DataFrame, tuple[Reject, ...], dict[str, int]]


def _typed(body: bytes) -> _Parts | None:
    """Type a page that is as it should be; None for any other."""
    try:
        answer = _PRICES.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    rows = _quotes(answer.items)
    return None if rows is None else (answer.pagination, answer.meta, rows, (), {})


def _sorted_out(body: bytes, source: str) -> _Parts:
    """Type the rows of a page that fit, reject those that do not, and count the fields nobody knows."""
    answer = decode(_RAW_PRICES, body, "/v1/prices", source)
    fitting: list[_Row] = []
    rejects: list[Reject] = []
    unknown: Counter[str] = Counter()
    for raw in answer.items:
        try:
            fitting.append(_CHECKED.decode(raw))
            unknown.update(plain(name, 100) for name in _FIELDS.decode(raw).keys() - _KNOWN)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            rejects.append(Reject(plain(str(error)), bytes(raw).decode(errors="replace")))
    rows = _quotes(fitting)
    if rows is None:
        raise ContractBroken("/v1/prices: amounts that are not exact", source)
    return answer.pagination, answer.meta, rows, tuple(rejects), dict(unknown)


def _quotes(rows: Sequence[_Row]) -> pl.DataFrame | None:
    """Put `rows` into a frame of the schema `QUOTES`; None if a decimal among them is not exact."""
    amounts = pl.Series("price", [_amount(row) for row in rows], pl.String)
    if not amounts.str.contains(_EXACT).all():
        return None
    columns: dict[str, object] = {
        "item_id": [str(row.item_id) for row in rows],
        "market_hash_name": [row.market_hash_name for row in rows],
        "phase": [row.phase for row in rows],
        "provider": [row.provider for row in rows],
        "delivery": ["standard"] * len(rows),
        "lowest_ask": [row.lowest_ask for row in rows],
        "price": amounts.cast(MONEY),
        "quantity": [row.quantity for row in rows],
        "timestamp": _moments([row.timestamp for row in rows]),
        "last_updated": _moments([row.last_updated for row in rows]),
        "url": [row.url for row in rows],
    }
    return pl.DataFrame(columns, schema=QUOTES, strict=True)


def _amount(row: _Row) -> str:
    """Return the exact amount as text; the API divides minor units by 100 whatever the currency."""
    if row.lowest_ask_decimal is not None:
        return row.lowest_ask_decimal
    return f"{row.lowest_ask // 100}.{row.lowest_ask % 100:02d}"


def _moments(moments: list[datetime | None]) -> pl.Series:
    # Integers, because polars takes five times as long over aware datetimes.
    since = [None if moment is None else (moment - _EPOCH) // _MICROSECOND for moment in moments]
    return pl.Series(since, dtype=pl.Int64).cast(MOMENT)


def decode(decoder: msgspec.json.Decoder[_T], body: bytes, route: str, source: str) -> _T:
    """Decode an answer of `route`; raises ContractBroken if it is none."""
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ContractBroken(f"{route}: {plain(str(error))}", source) from None

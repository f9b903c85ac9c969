"""CS2Cap's prices, typed: a body in, a frame with a given schema out, and what does not fit aside."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, TypeVar

import msgspec
import polars as pl
from msgspec import Meta, Raw, Struct

from connectors.errors import ContractBroken, plain
from connectors.frames import (
    MONEY,
    Reject,
    fingerprint_of,
    keys_of,
    latest,
)

# Digits and a point only, within Decimal(20, 8): no sign, comma, exponent or ninth place.
_EXACT: Final = r"^[0-9]{1,12}(\.[0-9]{1,8})?$"

Text = Annotated[str, Meta(min_length=1)]
Id = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Minor = Annotated[int, Meta(ge=0, le=10**14 - 1)]
Moment = Annotated[datetime, Meta(tz=True)]
_T = TypeVar("_T")


class _Named(Struct, gc=False):
    provider: Text
    item_id: Id
    market_hash_name: Text
    lowest_ask: _Minor
    quantity: _Count
    phase: str | None = None
    link: str | None = None
    url: str | None = None


class _Row(_Named, gc=False, forbid_unknown_fields=True):
    """A row of `/v1/prices`; whether its decimal and its moments are exact is seen for a whole page."""

    lowest_ask_decimal: str | None = None
    timestamp: str | None = None
    last_updated: str | None = None


class _CheckedRow(_Named, gc=False):
    """The same, on its own: checked whole, its unknown fields counted elsewhere."""

    lowest_ask_decimal: Annotated[str, Meta(pattern=_EXACT.replace("$", r"\Z"))] | None = None
    timestamp: Moment | None = None
    last_updated: Moment | None = None


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
        return _quotes([_uniform(_CHECKED.decode(raw.encode()))])
    except (msgspec.DecodeError, UnicodeError):
        return None


def _uniform(row: _CheckedRow) -> _Row:
    """The row with its moments in the one form that a page's are read in."""
    fields = msgspec.structs.asdict(row)
    for name in ("timestamp", "last_updated"):
        moment = fields[name]
        fields[name] = moment.isoformat() if moment is not None else None
    return _Row(**fields)


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
            fitting.append(_uniform(_CHECKED.decode(raw)))
            unknown.update(plain(name, 100) for name in _FIELDS.decode(raw).keys() - _KNOWN)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            rejects.append(Reject(plain(str(error)), bytes(raw).decode(errors="replace")))
    rows = _quotes(fitting)
    if rows is None:
        raise ContractBroken("/v1/prices: amounts that are not exact", source)
    return answer.pagination, answer.meta, rows, tuple(rejects), dict(unknown)


def _quotes(rows: Sequence[_Row]) -> pl.DataFrame | None:
    """Put `rows` into a frame of the schema `QUOTES`; None if an amount or a moment does not fit exactly.

    Polars types a whole page in one query, which leaves the interpreter to the next page meanwhile.
    """
    columns = {
        "item_id": [row.item_id for row in rows],
        "market_hash_name": [row.market_hash_name for row in rows],
        "phase": [row.phase for row in rows],
        "provider": [row.provider for row in rows],
        "lowest_ask": [row.lowest_ask for row in rows],
        "decimal": [row.lowest_ask_decimal for row in rows],
        "quantity": [row.quantity for row in rows],
        "timestamp": [row.timestamp for row in rows],
        "last_updated": [row.last_updated for row in rows],
        "url": [row.url for row in rows],
    }
    typed = pl.DataFrame(columns, schema=_TOLD, strict=True).lazy().select(*_TYPED, fits=_FITS).collect()
    return typed.drop("fits") if typed["fits"].all() else None


def _moment(name: str) -> pl.Expr:
    moment = pl.col(name).str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", time_unit="us", strict=False)
    return moment.dt.convert_time_zone("UTC")


_TOLD: Final = pl.Schema(
    {
        "item_id": pl.Int64(),
        "market_hash_name": pl.String(),
        "phase": pl.String(),
        "provider": pl.String(),
        "lowest_ask": pl.Int64(),
        "decimal": pl.String(),
        "quantity": pl.Int64(),
        "timestamp": pl.String(),
        "last_updated": pl.String(),
        "url": pl.String(),
    }
)
# The API divides minor units by 100 whatever the currency.
_AMOUNT: Final = pl.coalesce(
    "decimal",
    pl.format(
        "{}.{}", pl.col("lowest_ask") // 100, (pl.col("lowest_ask") % 100).cast(pl.String).str.zfill(2)
    ),
)
_TYPED: Final = (
    pl.col("item_id").cast(pl.String),
    pl.col("market_hash_name", "phase", "provider"),
    pl.lit("standard").alias("delivery"),
    pl.col("lowest_ask"),
    _AMOUNT.cast(MONEY, strict=False).alias("price"),
    pl.col("quantity"),
    _moment("timestamp"),
    _moment("last_updated"),
    pl.col("url"),
)
_FITS: Final = (
    _AMOUNT.str.contains(_EXACT)
    & (_moment("timestamp").is_null() == pl.col("timestamp").is_null())
    & (_moment("last_updated").is_null() == pl.col("last_updated").is_null())
)


def decode(decoder: msgspec.json.Decoder[_T], body: bytes, route: str, source: str) -> _T:
    """Decode an answer of `route`; raises ContractBroken if it is none."""
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ContractBroken(f"{route}: {plain(str(error))}", source) from None

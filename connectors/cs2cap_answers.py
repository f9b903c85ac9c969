"""CS2Cap's prices, typed: a body in, a frame with a given schema out, and what does not fit aside."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, TypeVar

import msgspec
import polars as pl
from msgspec import Meta, Raw, Struct

from connectors.cs2cap_rows import CheckedRow, Row, quotes_of, uniform
from connectors.errors import ContractBroken, plain
from connectors.frames import Reject, fingerprint_of, keys_of, latest

_T = TypeVar("_T")


class _Pagination(Struct):
    limit: Annotated[int, Meta(ge=1)]
    offset: Annotated[int, Meta(ge=0)]
    total: Annotated[int, Meta(ge=-1)]
    has_next: bool


class _Meta(Struct):
    currency: str


class _Prices(Struct):
    meta: _Meta
    items: list[Row]
    pagination: _Pagination


class _RawPrices(Struct):
    meta: _Meta
    items: list[Raw]
    pagination: _Pagination


_PRICES: Final = msgspec.json.Decoder(_Prices)
_RAW_PRICES: Final = msgspec.json.Decoder(_RawPrices)
_CHECKED: Final = msgspec.json.Decoder(CheckedRow)
_FIELDS: Final = msgspec.json.Decoder(dict[str, Raw])
_KNOWN: Final = frozenset(Row.__struct_fields__)


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
    return _typed(body) or _sorted_out(body, source)


def reread(raw: str) -> pl.DataFrame | None:
    """Type one rejected row anew, schema `QUOTES`; None if it still does not fit."""
    try:
        typed = quotes_of([uniform(_CHECKED.decode(raw.encode()))])
    except (msgspec.DecodeError, UnicodeError):
        return None
    return typed[0] if typed else None


def _typed(body: bytes) -> Prices | None:
    """Type a page that is as it should be; None for any other."""
    try:
        page = _PRICES.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    typed = quotes_of(page.items)
    return _prices(page, *typed) if typed else None


def _prices(
    page: _Prices | _RawPrices,
    rows: pl.DataFrame,
    keys: list[str],
    rejects: tuple[Reject, ...] = (),
    unknown: dict[str, int] | None = None,
) -> Prices:
    if surplus := len(keys) - len(set(keys)):
        rows = latest(rows)
        keys = keys_of(rows)
    return Prices(
        currency=page.meta.currency,
        limit=page.pagination.limit,
        offset=page.pagination.offset,
        total=page.pagination.total,
        has_next=page.pagination.has_next,
        rows=rows,
        keys=keys,
        fingerprint=fingerprint_of(keys),
        surplus=surplus,
        rejects=rejects,
        unknown_fields=unknown or {},
    )


def _sorted_out(body: bytes, source: str) -> Prices:
    """Type the rows of a page that fit, reject those that do not, and count the fields nobody knows."""
    answer = decode(_RAW_PRICES, body, "/v1/prices", source)
    fitting: list[Row] = []
    rejects: list[Reject] = []
    unknown: Counter[str] = Counter()
    for raw in answer.items:
        try:
            fitting.append(uniform(_CHECKED.decode(raw)))
            unknown.update(plain(name, 100) for name in _FIELDS.decode(raw).keys() - _KNOWN)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            rejects.append(Reject(plain(str(error)), bytes(raw).decode(errors="replace")))
    typed = quotes_of(fitting)
    if typed is None:
        raise ContractBroken("/v1/prices: amounts that are not exact", source)
    return _prices(answer, *typed, tuple(rejects), dict(unknown))


def decode(decoder: msgspec.json.Decoder[_T], body: bytes, route: str, source: str) -> _T:
    """Decode an answer of `route`; raises ContractBroken if it is none."""
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ContractBroken(f"{route}: {plain(str(error))}", source) from None

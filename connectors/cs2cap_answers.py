"""CS2Cap's offers, typed: a body in, a frame with a given schema out, and what does not fit aside."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final, Generic, TypeVar

import msgspec
import polars as pl
from msgspec import Meta, Raw, Struct

from connectors.cs2cap_rows import ASKS, BIDS, OFFERS, CheckedRow, Offers, Row, quotes_of, uniform
from connectors.errors import ContractBroken, plain
from connectors.frames import Reject, fingerprint_of, keys_of, latest

_T = TypeVar("_T")
_R = TypeVar("_R")


class _Pagination(Struct):
    limit: Annotated[int, Meta(ge=1)]
    offset: Annotated[int, Meta(ge=0)]
    total: Annotated[int, Meta(ge=-1)]
    has_next: bool


class _Meta(Struct):
    currency: str


class _Prices(Struct, Generic[_R]):
    meta: _Meta
    items: list[_R]
    pagination: _Pagination


@dataclass(frozen=True, slots=True)
class _Decoders:
    prices: msgspec.json.Decoder[_Prices[Row]]
    rows: msgspec.json.Decoder[list[Row]]
    checked: msgspec.json.Decoder[CheckedRow]
    known: frozenset[str]


def _decoders(offers: Offers) -> _Decoders:
    row: type[Row] = offers.row
    return _Decoders(
        prices=msgspec.json.Decoder(_Prices[row]),  # type: ignore[valid-type]
        rows=msgspec.json.Decoder(list[row]),  # type: ignore[valid-type]
        checked=msgspec.json.Decoder(offers.checked),
        known=frozenset(offers.written.values()),
    )


_OF: Final = {offers.delivery: _decoders(offers) for offers in (ASKS, BIDS)}
_RAW_PRICES: Final = msgspec.json.Decoder(_Prices[Raw])
_FIELDS: Final = msgspec.json.Decoder(dict[str, Raw])


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """One answer of `/v1/prices` or `/v1/bids`: what it says about itself, and its rows.

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


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows of an answer: those that fit, schema `QUOTES`, and what there is to tell of the others."""

    frame: pl.DataFrame
    keys: Sequence[str]
    surplus: int = 0
    rejects: tuple[Reject, ...] = ()
    unknown_fields: dict[str, int] = field(default_factory=dict)


def read_prices(body: bytes, source: str = "", offers: Offers = ASKS) -> Prices:
    """Type one answer that lists `offers`; raises ContractBroken if it is no such answer at all.

    Almost every page is as the contract has it and is decoded in one go; only a page that is not is looked at
    row by row, to tell the rows that fit from those that do not.
    """
    return _typed(body, offers) or _sorted_out(body, source, offers)


def reread(raw: str, delivery: str = ASKS.delivery) -> pl.DataFrame | None:
    """Type one rejected row anew, schema `QUOTES`; None if it still does not fit."""
    offers = OFFERS[delivery]
    try:
        typed = quotes_of([uniform(_OF[delivery].checked.decode(raw.encode()))], offers)
    except (msgspec.DecodeError, UnicodeError):
        return None
    return typed[0] if typed else None


def _typed(body: bytes, offers: Offers) -> Prices | None:
    """Type a page that is as it should be; None for any other."""
    try:
        page = _OF[offers.delivery].prices.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    typed = quotes_of(page.items, offers)
    return _prices(page, _once(*typed)) if typed else None


def _sorted_out(body: bytes, source: str, offers: Offers) -> Prices:
    page = decode(_RAW_PRICES, body, offers.path, source)
    return _prices(page, sort_out(page.items, offers, source))


def _prices(page: _Prices[Row] | _Prices[Raw], rows: Rows) -> Prices:
    return Prices(
        currency=page.meta.currency,
        limit=page.pagination.limit,
        offset=page.pagination.offset,
        total=page.pagination.total,
        has_next=page.pagination.has_next,
        rows=rows.frame,
        keys=rows.keys,
        fingerprint=fingerprint_of(rows.keys),
        surplus=rows.surplus,
        rejects=rows.rejects,
        unknown_fields=rows.unknown_fields,
    )


def read_rows(raws: Sequence[bytes | Raw], offers: Offers, source: str) -> Rows:
    """Type rows that came one by one, all at once where all of them fit."""
    try:
        rows = _OF[offers.delivery].rows.decode(b"[" + b",".join(raws) + b"]")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return sort_out(raws, offers, source)
    typed = quotes_of(rows, offers)
    return _once(*typed) if typed else sort_out(raws, offers, source)


def sort_out(raws: Iterable[bytes | Raw], offers: Offers, source: str) -> Rows:
    """Type the rows that fit, reject those that do not, and count the fields nobody knows."""
    decoders = _OF[offers.delivery]
    fitting: list[Row] = []
    rejects: list[Reject] = []
    unknown: Counter[str] = Counter()
    for raw in raws:
        try:
            fitting.append(uniform(decoders.checked.decode(raw)))
            unknown.update(plain(name, 100) for name in _FIELDS.decode(raw).keys() - decoders.known)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            rejects.append(Reject(plain(str(error)), bytes(raw).decode(errors="replace")))
    typed = quotes_of(fitting, offers)
    if typed is None:
        raise ContractBroken(f"{offers.path}: amounts that are not exact", source)
    return _once(*typed, tuple(rejects), dict(unknown))


def _once(
    rows: pl.DataFrame,
    keys: list[str],
    rejects: tuple[Reject, ...] = (),
    unknown: dict[str, int] | None = None,
) -> Rows:
    """Keep each key once."""
    if surplus := len(keys) - len(set(keys)):
        rows = latest(rows)
        keys = keys_of(rows)
    return Rows(rows, keys, surplus, rejects, unknown or {})


def decode(decoder: msgspec.json.Decoder[_T], body: bytes, route: str, source: str) -> _T:
    """Decode an answer of `route`; raises ContractBroken if it is none."""
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ContractBroken(f"{route}: {plain(str(error))}", source) from None

"""CS2Cap's offers, typed: a body in, a frame with a given schema out, and what does not fit aside."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
import polars as pl
from msgspec import Raw

from connectors.cs2cap_columns import frame_of, quotes_of
from connectors.cs2cap_listing import read_listing
from connectors.cs2cap_rows import ASKS, BIDS, OFFERS, CheckedRow, Offers, Row, uniform
from connectors.cs2cap_typed import typed
from connectors.errors import ContractBroken, plain
from connectors.frames import Reject, joined, keys_of, latest
from connectors.naming import NAMING, fingerprint_of


@dataclass(frozen=True, slots=True)
class _Decoders:
    checked: msgspec.json.Decoder[CheckedRow]
    known: frozenset[str]


def _decoders(offers: Offers) -> _Decoders:
    return _Decoders(
        checked=msgspec.json.Decoder(offers.checked),
        known=frozenset(offers.written.values()),
    )


_OF: Final = {offers.delivery: _decoders(offers) for offers in (ASKS, BIDS)}
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
    """Type one answer that lists `offers`; raises ContractBroken if it is no such answer at all."""
    page = read_listing(body, source, offers)
    rows = read_rows(page.items, offers, source)
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


def reread(raw: str, delivery: str = ASKS.delivery) -> pl.DataFrame | None:
    """Type one rejected row anew, schema `QUOTES`; None if it still does not fit."""
    offers = OFFERS[delivery]
    try:
        typed = quotes_of([uniform(_OF[delivery].checked.decode(raw.encode()))], offers)
    except (msgspec.DecodeError, UnicodeError):
        return None
    return typed[0] if typed else None


def read_rows(raws: Sequence[Raw] | Sequence[bytes], offers: Offers, source: str) -> Rows:
    """Type rows that came one by one.

    Almost always they are as the contract has them and are typed in one go; only where they are not are they
    looked at row by row, to tell those that fit from those that do not.
    """
    columns = typed(b"\n".join(raws), offers)
    if columns is None or len(columns["item_id"]) != len(raws):
        return sort_out(raws, offers, source)
    return _once(frame_of(columns), joined(*(columns[name] for name in NAMING)))


def read_lines(lines: bytes, offers: Offers, source: str) -> Rows:
    """Type whole lines, as rows are; their `keys` are left out."""
    columns = typed(lines, offers)
    if columns is None:
        return sort_out(filter(bytes.strip, lines.split(b"\n")), offers, source)
    return Rows(frame_of(columns), ())


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

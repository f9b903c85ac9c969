"""Decode the rows of SkinShark's price listing; a price that cannot be read costs that price only.

The documents of the API give `phases` in two shapes, and both are read: phase -> standard price, and
phase -> {"standard": price, "instant": price or null}.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw, Struct

from common.field_counts import FieldCounts
from common.text import sanitize
from connectors.decoding import DECODE_ERRORS, DecodedRows
from connectors.pages import Reject

_MAX_DOLLARS: Final = Decimal(10**12)
_MAX_REASON: Final = 1_000  # characters: a reject names every price that it lacks
_NonEmptyStr = Annotated[str, Meta(min_length=1)]


# One thing for sale: its phase (None: the item itself), its delivery, and its price in US dollars.
Quote = tuple[str | None, str, Decimal]


class Prices(Struct, gc=False):
    """The prices of one phase, null where nothing is for sale. A price that is missing says nothing."""

    standard: Decimal | None
    instant: Decimal | None


class Row(Struct, gc=False, rename="camel"):
    """The prices of one item: each is a whole number of cents, or null where nothing is for sale."""

    item_id: _NonEmptyStr
    market_hash_name: _NonEmptyStr
    instant: Decimal | None
    standard: Decimal | None
    phases: dict[_NonEmptyStr, Decimal | Prices | None] | None = None

    def __post_init__(self) -> None:
        # msgspec turns the ValueError into a ValidationError
        for _, _, dollars in self.quotes():
            to_cents(dollars)

    def quotes(self) -> Iterator[Quote]:
        """Yield what is for sale: first the item itself, then its phases."""
        if self.standard is not None:
            yield None, "standard", self.standard
        if self.instant is not None:
            yield None, "instant", self.instant
        for phase, value in self.phases.items() if self.phases else ():
            prices = value if isinstance(value, Prices) else Prices(value, None)
            if prices.standard is not None:
                yield phase, "standard", prices.standard
            if prices.instant is not None:
                yield phase, "instant", prices.instant


class _Identity(Struct, rename="camel"):
    """What a row must have, so that anything of it can be stored."""

    item_id: _NonEmptyStr
    market_hash_name: _NonEmptyStr


_Fields = dict[str, Raw]
_ROW: Final = msgspec.json.Decoder(Row)
_IDENTITY: Final = msgspec.json.Decoder(_Identity)
_FIELDS: Final = msgspec.json.Decoder(_Fields)
_OPTIONAL_FIELDS: Final = msgspec.json.Decoder(_Fields | None)
_PRICE: Final = msgspec.json.Decoder(Decimal | None)
_ROW_FIELDS: Final = frozenset(Row.__struct_encode_fields__)
_PHASE_FIELDS: Final = frozenset(Prices.__struct_encode_fields__)


def to_cents(dollars: Decimal) -> int:
    """Convert a price to cents; raises ValueError unless it is a whole number of cents, and in range."""
    if dollars.is_finite() and 0 <= dollars < _MAX_DOLLARS:
        cents = int(dollars.scaleb(2))
        if Decimal(cents).scaleb(-2) == dollars:
            return cents
    raise ValueError(f"{sanitize(str(dollars), 40)} is not a price in whole cents")


def decode_row(raw: bytes | Raw) -> tuple[Row, list[str]]:
    """Return a row with the prices that can be read, and for every other one its field and the reason.

    Raises one of `DECODE_ERRORS` where the item cannot be identified.
    """
    try:
        return _ROW.decode(raw), []
    except DECODE_ERRORS:
        return _FieldReader().read_row(raw)


class ListingRows(DecodedRows[Row], frozen=True, eq=False):
    """Decoded rows; a row of which a part cannot be read is both a fitting row and a reject.

    `unusable` counts the distinct rows of which not even the item can be read, and those that are not of the
    listing. Fields of a phase count as unknown fields by the name `phases.FIELD`.
    """

    unusable: int


def decode_rows(
    raws: Iterable[bytes | Raw], find_mismatch: Callable[[Row], str | None] = lambda _row: None
) -> ListingRows:
    """Decode rows of a listing; `find_mismatch` returns why a row cannot be of the listing, or None."""
    fitting: list[Row] = []
    rejects: list[Reject] = []
    unusable: set[str] = set()
    unknown = FieldCounts()
    for raw in raws:
        try:
            row, problems = decode_row(raw)
            if names := _unknown_fields(raw, row):
                unknown.count(sanitize(name, 100) for name in names)
            if reason := find_mismatch(row):
                problems = [reason]
                unusable.add(_text(raw))
            else:
                fitting.append(row)
        except DECODE_ERRORS as error:
            problems = [str(error)]
            unusable.add(_text(raw))
        if problems:
            rejects.append(Reject(sanitize("; ".join(problems), _MAX_REASON), _text(raw)))
    return ListingRows(fitting, tuple(rejects), dict(unknown), len(unusable))


def _text(raw: bytes | Raw) -> str:
    return bytes(raw).decode(errors="replace")


def _unknown_fields(raw: bytes | Raw, row: Row) -> set[str]:
    fields = _FIELDS.decode(raw)
    unknown = fields.keys() - _ROW_FIELDS
    if not row.phases or not any(isinstance(prices, Prices) for prices in row.phases.values()):
        return unknown
    phases = _FIELDS.decode(fields["phases"]).values()
    objects = (_FIELDS.decode(phase) for phase in phases if _is_object(phase))
    return unknown | {f"phases.{name}" for each in objects for name in each.keys() - _PHASE_FIELDS}


def _is_object(raw: Raw) -> bool:
    return bytes(raw).lstrip().startswith(b"{")


class _FieldReader:
    """Reads the prices of one row, each by itself; `problems` names those that cannot be read, and why."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def read_row(self, raw: bytes | Raw) -> tuple[Row, list[str]]:
        identity, fields = _IDENTITY.decode(raw), _FIELDS.decode(raw)
        row = Row(
            identity.item_id,
            identity.market_hash_name,
            instant=self._read_price("instant", fields.get("instant")),
            standard=self._read_price("standard", fields.get("standard")),
            phases=self._read_phases(fields.get("phases")),
        )
        return row, self.problems

    def _read_price(self, field: str, raw: Raw | None) -> Decimal | None:
        if raw is None:
            self.problems.append(f"{field}: missing")
            return None
        try:
            price: Decimal | None = _PRICE.decode(raw)
            if price is not None:
                to_cents(price)
        except (*DECODE_ERRORS, ValueError) as error:
            self.problems.append(f"{field}: {error}")
            return None
        return price

    def _read_phases(self, raw: Raw | None) -> dict[str, Decimal | Prices | None]:
        if raw is None:
            return {}
        try:
            phases: Mapping[str, Raw] = _OPTIONAL_FIELDS.decode(raw) or {}
        except DECODE_ERRORS as error:
            self.problems.append(f"phases: {error}")
            return {}
        if "" in phases:
            self.problems.append("phases: a phase without a name")
        return {phase: self._read_phase(phase, value) for phase, value in phases.items() if phase}

    def _read_phase(self, phase: str, raw: Raw) -> Decimal | Prices | None:
        field = f"phases.{phase}"
        if not _is_object(raw):
            return self._read_price(field, raw)
        try:
            prices = _FIELDS.decode(raw)
        except DECODE_ERRORS as error:
            self.problems.append(f"{field}: {error}")
            return None
        return Prices(
            self._read_price(f"{field}.standard", prices.get("standard")),
            self._read_price(f"{field}.instant", prices.get("instant")),
        )

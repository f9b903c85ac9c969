"""An answer of CS2Cap's that lists offers, read as far as to tell its rows apart."""

from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from connectors.cs2cap_rows import Offers
from connectors.errors import ContractBroken, plain

_T = TypeVar("_T")


class _Pagination(Struct):
    limit: Annotated[int, Meta(ge=1)]
    offset: Annotated[int, Meta(ge=0)]
    total: Annotated[int, Meta(ge=-1)]
    has_next: bool


class _Meta(Struct):
    currency: str


class Listing(Struct):
    """An answer that lists offers: what it says about itself, and its rows as they came."""

    meta: _Meta
    items: list[Raw]
    pagination: _Pagination


_LISTING: Final = msgspec.json.Decoder(Listing)


def read_listing(body: bytes, source: str, offers: Offers) -> Listing:
    """Read an answer that lists `offers`; raises ContractBroken if it is no such answer at all."""
    return decode(_LISTING, body, offers.path, source)


def decode(decoder: msgspec.json.Decoder[_T], body: bytes, route: str, source: str) -> _T:
    """Decode an answer of `route`; raises ContractBroken if it is none."""
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ContractBroken(f"{route}: {plain(str(error))}", source) from None

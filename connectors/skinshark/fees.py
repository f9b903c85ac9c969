"""The fees of SkinShark's merchant: of buying, beyond an ask, and of selling for a deposit. Pure functions.

Older answers have one fee, which prices include by default; newer ones have a fee for each side. What a
deposit pays is what the seller gets, unless a newer answer has a fee of selling.
"""

from __future__ import annotations

from typing import Annotated, Final

import polars as pl
from msgspec import Meta, Struct, json

from common.errors import UnexpectedResponse
from connectors.decoding import decode_response
from connectors.schemas import FEES
from connectors.skinshark.markets import Market

ROUTE: Final = "/merchant/fees"
_WHOLE: Final = 10_000  # basis points
_Bps = Annotated[int, Meta(ge=0, le=_WHOLE)]


class _Fees(Struct, rename="camel"):
    merchant_fee_bps: _Bps | None = None
    buy_fee_bps: _Bps | None = None
    sell_fee_bps: _Bps | None = None


_FEES: Final = json.Decoder(_Fees)


def parse_fees(data: bytes, market: Market, source: str, *, included: bool) -> pl.DataFrame:
    """Parse the fees of a marketplace, schema `FEES`; `included` says that its asks have the fee of buying.

    Raises UnexpectedResponse where the answer has neither shape.
    """
    fees = decode_response(_FEES, data, route=ROUTE, source=source)
    buy = fees.merchant_fee_bps if fees.buy_fee_bps is None else fees.buy_fee_bps
    if buy is None:
        raise UnexpectedResponse(f"{ROUTE}: neither merchantFeeBps nor buyFeeBps", source)
    takes_deposits = market.number is None
    row = {
        "provider": market.provider,
        "buy_fee": 0.0 if included else buy / _WHOLE,
        "insta_sell_fee": (fees.sell_fee_bps or 0) / _WHOLE if takes_deposits else None,
    }
    return pl.DataFrame([row], schema=FEES)

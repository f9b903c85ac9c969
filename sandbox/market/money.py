"""Exact conversion of US cents to the two amounts that a response carries."""

import random
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import NamedTuple

_TWO_PLACES, _EIGHT_PLACES, _ONE = Decimal("0.01"), Decimal("0.00000001"), Decimal(1)
# Units of each currency per US dollar. Plausible, not current.
_TABLE = """
USD=1 EUR=0.8547 GBP=0.7421 CNY=7.1093 JPY=151.37 KWD=0.30612 BHD=0.37702 CHF=0.79514 CAD=1.3987
AUD=1.5243 NZD=1.7216 SEK=9.4475 NOK=10.0531 DKK=6.3812 PLN=3.6418 CZK=20.7815 HUF=334.62 RON=4.3491
TRY=41.8867 RUB=80.9514 UAH=41.7193 KZT=537.84 BRL=5.3472 MXN=18.4106 ARS=1428.5 CLP=957.31 COP=3891.2
INR=88.7241 IDR=16587.4 KRW=1421.65 THB=32.6184 VND=26341.5 SGD=1.2987 HKD=7.7813 TWD=30.6147 ZAR=17.2936
ILS=3.2914 AED=3.6725 SAR=3.7502 USDT=0.9997 BTC=0.00000814 ETH=0.00022417 SOL=0.00451 LTC=0.00918
DOGE=4.0716
"""
RATES: Mapping[str, Decimal] = {
    code: Decimal(rate) for code, _, rate in (pair.partition("=") for pair in _TABLE.split())
}


class Money(NamedTuple):
    """One amount in the API: `minor` units (hundredths) and the exact `decimal` string."""

    minor: int
    decimal: str


@lru_cache(maxsize=1 << 18)
def convert(cents: int, rate: Decimal) -> Money:
    """Convert US cents at a rate, rounded half up; the string has two places from 1.0 on, else eight."""
    amount = Decimal(cents).scaleb(-2) * rate
    exact = amount.quantize(_EIGHT_PLACES, ROUND_HALF_UP)
    shown = amount.quantize(_TWO_PLACES, ROUND_HALF_UP) if exact >= _ONE else exact
    minor = int((amount * 100).quantize(_ONE, ROUND_HALF_UP))
    return Money(minor, format(shown, "f"))


def drifted(rates: Mapping[str, Decimal], rng: random.Random) -> dict[str, Decimal]:
    """Return the rates, all but the dollar's moved by up to half a percent, with at most twelve digits."""
    return {code: rate if code == "USD" else _drift(rate, rng) for code, rate in rates.items()}


def _drift(rate: Decimal, rng: random.Random) -> Decimal:
    moved = rate * (Decimal(10_000 + rng.choice((-1, 1)) * rng.randint(10, 50)) / 10_000)
    return moved.quantize(Decimal(1).scaleb(moved.adjusted() - 11))

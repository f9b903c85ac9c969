"""Money is exact, rounded half up, and written as in the contract."""

import random
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.market.money import RATES, convert, drifted
from sandbox.market.moves import visible_price

CENTS = st.integers(min_value=0, max_value=10**9)
RATE = st.sampled_from(sorted(RATES.values()))


@pytest.mark.parametrize(
    ("cents", "rate", "minor", "decimal"),
    [
        (2550, "0.0000163137", 0, "0.00041600"),
        (100, "1", 100, "1.00"),
        (99, "1", 99, "0.99000000"),
        (0, "1", 0, "0.00000000"),
        (1, "0.5", 1, "0.00500000"),
        (250, "0.30612", 77, "0.76530000"),
        (1_000, "150.005", 150005, "1500.05"),
        (1, "99.9999999999", 100, "1.00"),
    ],
    ids=["crypto", "one", "below one", "nothing", "half up", "three decimals", "yen", "rounds up to one"],
)
def test_amount_is_written_as_in_the_contract(cents: int, rate: str, minor: int, decimal: str) -> None:
    assert convert(cents, Decimal(rate)) == (minor, decimal)


@given(CENTS, RATE)
def test_decimal_is_the_exact_amount_at_its_precision(cents: int, rate: Decimal) -> None:
    exact = Fraction(cents, 100) * Fraction(rate)
    shown = Decimal(convert(cents, rate).decimal)
    places = -int(shown.as_tuple().exponent)
    assert places == (2 if shown >= 1 else 8)
    assert abs(Fraction(shown) - exact) <= Fraction(1, 2 * 10**places)


@given(CENTS, RATE)
def test_minor_units_are_hundredths_rounded_half_up(cents: int, rate: Decimal) -> None:
    assert convert(cents, rate).minor == int((cents * rate).quantize(Decimal(1), ROUND_HALF_UP))


@given(CENTS)
def test_dollars_equal_the_cents(cents: int) -> None:
    minor, decimal = convert(cents, Decimal(1))
    assert minor == cents
    assert Decimal(decimal) * 100 == cents


@given(st.integers(min_value=1, max_value=10**8), st.integers(min_value=-(10**7), max_value=10**8))
def test_moved_price_differs_in_every_currency(price: int, wanted: int) -> None:
    moved = visible_price(price, wanted, RATES)
    assert moved >= 1
    assert all(convert(moved, rate).decimal != convert(price, rate).decimal for rate in RATES.values())


@given(st.randoms(use_true_random=False))
def test_rates_drift_a_little_and_the_dollar_never(rng: random.Random) -> None:
    moved = drifted(RATES, rng)
    assert moved["USD"] == 1
    others = [(moved[code], rate) for code, rate in RATES.items() if code != "USD"]
    assert all(new != old and abs(new / old - 1) <= Decimal("0.0051") for new, old in others)
    assert all(Decimal(str(float(rate))) == rate for rate in moved.values())

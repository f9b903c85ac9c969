"""Spellings of decimal amounts as JSON, with the value that each has; some fit into Decimal(20, 8)."""

import json
from decimal import Decimal
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

# Each spelling with its exact value; None where Decimal(20, 8) does not hold it.
SPELLINGS: Final[dict[str, Decimal | None]] = {
    '"25.50"': Decimal("25.5"),
    '"3.7E-7"': Decimal("0.00000037"),
    '"1e2"': Decimal(100),
    '"+5"': Decimal(5),
    '"-0.00"': Decimal(0),
    '"1.50000000000"': Decimal("1.5"),
    '"000000000000025.5"': Decimal("25.5"),
    '" 5 "': Decimal(5),
    '".5"': Decimal("0.5"),
    '"5."': Decimal(5),
    '"0e999999999"': Decimal(0),
    '"999999999999.99999999"': Decimal("999999999999.99999999"),
    "25.505": Decimal("25.505"),
    "2.55e1": Decimal("25.5"),
    '"3.7E-9"': None,
    '"0.123456789"': None,
    '"1e12"': None,
    '"1e999999999"': None,
    '"-1.00"': None,
    '"1,000.00"': None,
    '"NaN"': None,
    '"1_0"': None,
    '"\u0663"': None,
    '"sNaN"': None,
    '"Infinity"': None,
    '""': None,
}


@st.composite
def spellings(draw: DrawFn) -> tuple[str, Decimal | None]:
    """Draw an amount in some notation, as JSON, and its value; None where Decimal(20, 8) does not hold it."""
    digits, places = draw(st.integers(0, 10**21)), draw(st.integers(-3, 10))
    value = Decimal(digits).scaleb(-places)
    shift = draw(st.integers(-25, 25))
    zeros = "0" * draw(st.integers(0, 12))
    text = f"{Decimal(digits).scaleb(-places - shift):f}"
    text = f"{text}{zeros if '.' in text else ''}"
    if shift or draw(st.booleans()):
        text += (
            draw(st.sampled_from("eE"))
            + draw(st.sampled_from(["", "+"] if shift >= 0 else [""]))
            + f"{shift}"
        )
    fits = value < 10**12 and value == value.quantize(Decimal("1E-8"))
    if draw(st.booleans()):
        return text, value if fits else None
    sign, leading = draw(st.sampled_from(["", "+"])), "0" * draw(st.integers(0, 3))
    return json.dumps(sign + leading + text), value if fits else None

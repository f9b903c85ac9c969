"""Numbers, times and names as the pages show them: exact amounts, changes with their sign, ages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from common.text import reveal

CENT: Final = Decimal("0.01")
MINUS: Final = "\N{MINUS SIGN}"  # as wide as a digit, in contrast to the hyphen
NOTHING: Final = "\N{EN DASH}"
AGES: Final = ((timedelta(days=2), timedelta(days=1), "d"), (timedelta(hours=2), timedelta(hours=1), "h"))


def format_price(value: Decimal | float | None) -> str:
    """Return an amount such as "1,234.56": exact, with at least two decimals; a float has two, or four.

    Below a cent, a float has four decimals.
    """
    if value is None:
        return NOTHING
    if isinstance(value, float):
        text = f"{value:,.4f}" if 0 < abs(value) < float(CENT) else f"{value:,.2f}"
    else:
        whole, _, decimals = f"{value:,f}".partition(".")
        text = f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"
    return text.replace("-", MINUS)


def format_rounded(value: Decimal | float | None) -> str:
    """Return an amount that was computed, such as a profit: in cents, or with four decimals below a cent."""
    return NOTHING if value is None else format_price(float(value))


def format_tick(value: float) -> str:
    """Return a round value of an axis without needless decimals."""
    text = f"{value:,.6f}".rstrip("0").rstrip(".") if abs(value) < 100 else f"{value:,.0f}"
    return text.replace("-", MINUS)


def format_decimal(value: float | None) -> str:
    """Return a measured value, such as a wear, with at most six decimals."""
    return NOTHING if value is None else f"{value:.6f}".rstrip("0").rstrip(".")


def format_count(value: int | None) -> str:
    """Return a count such as "1,234"."""
    return NOTHING if value is None else f"{value:,}".replace("-", MINUS)


def format_change(share: float | None) -> str:
    """Return a relative change such as "+4.2%"; without a sign where it rounds to nothing."""
    if share is None:
        return NOTHING
    text = f"{share:+,.1%}"
    return "0.0%" if text in {"+0.0%", "-0.0%"} else text.replace("-", MINUS)


def format_share(share: float | None) -> str:
    """Return a share of a whole, such as a fee: "2.5%"."""
    return NOTHING if share is None else f"{share:.1%}".replace("-", MINUS)


def trend(share: float | None) -> str:
    """Return the class of a change: "up", "down", or "flat" where it rounds to nothing or is not known."""
    text = format_change(share)
    return "up" if text.startswith("+") else "down" if text.startswith(MINUS) else "flat"


def format_age(length: timedelta | None) -> str:
    """Return how long ago something was: "40 s", "12 min", "5 h", "3 d"."""
    if length is None:
        return NOTHING
    for least, unit, name in AGES:
        if length >= least:
            return f"{length // unit} {name}"
    seconds = max(0, int(length.total_seconds()))
    return f"{seconds // 60} min" if seconds >= 120 else f"{seconds} s"


def format_moment(moment: datetime | None) -> str:
    """Return a time in UTC: "28 Nov 2026 19:34"."""
    return NOTHING if moment is None else f"{moment.astimezone(UTC):%-d %b %Y %H:%M}"


def format_name(name: str) -> str:
    """Return a foreign name with its invisible characters, such as those that turn the text around, shown."""
    return reveal(name)

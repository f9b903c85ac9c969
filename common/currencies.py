"""The currency of exact prices."""

from __future__ import annotations

from typing import Final

# The API stores USD cents. It converts its history to any other currency and rounds it to minor units.
EXACT_CURRENCY: Final = "USD"

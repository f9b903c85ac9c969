"""Tables of cases of which a few run in the quick part of the suite, and the others in the slow part."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pytest


def slow_but(quick: Collection[str], cases: Mapping[str, Sequence[object]]) -> list[Any]:
    """Return cases as parameters of a test, by their names; all but the `quick` ones are slow."""
    assert set(quick) <= cases.keys(), "a quick case is no case"
    return [
        pytest.param(*case, id=name, marks=() if name in quick else pytest.mark.slow)
        for name, case in cases.items()
    ]


def slow_but_first(first: object, *others: object) -> list[Any]:
    """Return values as parameters of a test; all but the first one are slow."""
    return [first, *(pytest.param(value, marks=pytest.mark.slow) for value in others)]

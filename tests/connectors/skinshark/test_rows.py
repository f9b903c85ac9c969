"""Every price of a row is read by itself: the good ones are stored, and the row is a reject if any is bad."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from connectors.skinshark.contract import reparse_reject, to_quotes_frame
from connectors.skinshark.rows import decode_rows

BAD_PRICES: tuple[Any, ...] = ("much", True, -1, 0.001, [1], "NaN", [[]])
PHASES = ("Ruby", "Sapphire", "Phase 1", "Phase 2")


@dataclass
class RowModel:
    """A row as JSON, its good prices in cents, and the fields that cannot be read."""

    fields: dict[str, Any] = field(default_factory=lambda: {"itemId": "7", "marketHashName": "AWP"})
    good: set[tuple[str | None, str, int]] = field(default_factory=set)
    bad: set[str] = field(default_factory=set)

    def add(self, draw: st.DrawFn, phase: str | None, delivery: str, path: str) -> object:
        """Return a price that is good, null or bad, and note it."""
        cents = draw(st.none() | st.integers(0, 10**6))
        if draw(st.integers(0, 3)) == 0:
            self.bad.add(path)
            return draw(st.sampled_from(BAD_PRICES))
        if cents is None:
            return None
        self.good.add((phase, delivery, cents))
        return cents / 100


@st.composite
def row_models(draw: st.DrawFn) -> RowModel:
    model = RowModel()
    for delivery in ("standard", "instant"):
        model.fields[delivery] = model.add(draw, None, delivery, delivery)
    phases: dict[str, object] = {}
    for phase, both in draw(st.dictionaries(st.sampled_from(PHASES), st.booleans())).items():
        ways = ("standard", "instant") if both else ()
        prices = {way: model.add(draw, phase, way, f"phases.{phase}.{way}") for way in ways}
        phases[phase] = prices or model.add(draw, phase, "standard", f"phases.{phase}")
    if phases:
        model.fields["phases"] = phases
    return model


@given(row_models())
def test_row_gives_exactly_its_good_prices(model: RowModel) -> None:
    raw = json.dumps(model.fields)
    rows = decode_rows([raw.encode()])
    quotes = to_quotes_frame(rows.fitting, "skinshark").select("phase", "delivery", "lowest_ask").rows()
    assert sorted(quotes, key=str) == sorted(model.good, key=str)
    named = {each.partition(": ")[0] for reject in rows.rejects for each in reject.reason.split("; ")}
    assert (named, len(rows.rejects), rows.unusable) == (model.bad, bool(model.bad), 0)
    assert (reparse_reject(raw, "skinshark") is None) == bool(model.bad)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=9,
)


@given(JSON)
def test_phases_of_any_form_cost_nothing_else(phases: object) -> None:
    row = {"itemId": "7", "marketHashName": "AWP", "instant": 2.5, "standard": 1.25, "phases": phases}
    rows = decode_rows([json.dumps(row).encode()])
    quotes = to_quotes_frame(rows.fitting, "skinshark").select("phase", "delivery", "lowest_ask").rows()
    assert quotes[:2] == [(None, "standard", 125), (None, "instant", 250)]

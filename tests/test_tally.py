"""What lines amount to, counted in their text: as many fields, texts and nulls as a parser finds."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.tally import Tally, tally_of

# a name with a quote in it makes the count too high, which is seen to be wrong later on
TEXT = st.text(st.characters(exclude_characters='"\\', exclude_categories=["Cc", "Cs"]))
NAME = st.text(st.characters(exclude_characters='"\\,:', exclude_categories=["Cc", "Cs"]))
ROW = st.dictionaries(NAME, st.one_of(TEXT, st.integers(), st.none(), st.just(2.5)), max_size=6)


def counted(rows: list[dict[str, Any]]) -> Tally:
    values = [value for row in rows for value in row.values()]
    texts, nulls = sum(isinstance(value, str) for value in values), sum(value is None for value in values)
    return Tally(len(rows), len(values), texts, nulls)


@given(rows=st.lists(ROW, max_size=8), separators=st.sampled_from([(",", ":"), (", ", ": ")]))
def test_it_counts_what_a_parser_finds(rows: list[dict[str, Any]], separators: tuple[str, str]) -> None:
    lines = "".join(json.dumps(row, separators=separators, ensure_ascii=False) + "\n" for row in rows)
    assert tally_of(lines.encode()) == counted(rows)


@given(first=st.lists(ROW, max_size=3), second=st.lists(ROW, max_size=3))
def test_two_parts_amount_to_their_sum(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> None:
    assert counted(first) + counted(second) == counted([*first, *second])


@pytest.mark.parametrize("value", ['a ":" b', '":', '\\":"', 'x":"y'])
def test_quotes_inside_a_text_count_too_many_never_too_few(value: str) -> None:
    counts = tally_of(json.dumps({"name": value}).encode() + b"\n")
    assert (counts.fields, counts.texts) >= (1, 1)

"""The line of a key is found in any layout of a file: comments, blank lines, lists over several lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipelines.config.lines import find_line

VALUES = ["3", '"a"', '"""\n[x]\ny = 1\n"""', "[1, 2]", "[\n  1,\n  'a = b',\n]", "{a = 1}", "'[['"]
NOISE = ["", "", "\n", "# a = 1\n", "  # [[baskets]]\n\n"]
NAMES = st.lists(st.sampled_from(["one", "two", '"thr ee"', "'f=our'", "fi-ve"]), unique=True, max_size=5)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[tuple[str | int, ...], int]]:
    """Draw a file, and the line of each place in it."""
    text = ""
    lines: dict[tuple[str | int, ...], int] = {}
    for number in range(draw(st.integers(1, 3))):
        text += draw(st.sampled_from(NOISE))
        lines["baskets", number] = text.count("\n") + 1
        text += "[[baskets]]\n"
        for name in draw(NAMES):
            text += draw(st.sampled_from(NOISE))
            lines["baskets", number, name.strip("\"'")] = text.count("\n") + 1
            text += f"{name} = {draw(st.sampled_from(VALUES))}\n"
    return text, lines


@given(documents())
def test_line_of_a_place_is_that_of_its_statement(
    document: tuple[str, dict[tuple[str | int, ...], int]],
) -> None:
    text, lines = document
    assert {place: find_line(text, place) for place in lines} == lines


def test_place_that_is_missing_is_at_its_table() -> None:
    text = '# first\n[warehouse]\npath = "data"\n[[baskets]]\nitems = [\n  1,\n  2,\n]\n'
    assert find_line(text, ("baskets", 0, "source")) == 4
    assert find_line(text, ("baskets", 0, "items", 1)) == 5
    assert find_line(text, ("warehouse", "path", "x")) == 3
    assert find_line(text, ("alerts",)) is None

"""JSON is split by its brackets and quotes alone; of valid JSON, the parts are those of a JSON reader."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.json_text import is_json, join_members, split_entries, split_members

texts = st.text(st.sampled_from('a"\\{}[],: \n\u2028é\ud83d\ude00') | st.characters(codec="utf-8"))
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
)
indents = st.sampled_from([None, 0, 2])


@given(st.lists(values), indents, st.booleans())
def test_entries_are_those_of_the_array(entries: list[Any], indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(entries, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert [json.loads(entry.decode("utf-8", "surrogatepass")) for entry in split_entries(text)] == entries


@pytest.mark.slow
@given(st.dictionaries(st.text(), values), indents)
def test_members_are_those_of_the_object(members: dict[str, Any], indent: int | None) -> None:
    text = json.dumps(members, indent=indent).encode()
    assert {name: json.loads(value) for name, value in split_members(text)} == members
    assert json.loads(join_members({name or "": value for name, value in split_members(text)})) == members


@given(st.binary(max_size=40))
def test_any_bytes_are_split_or_refused(text: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert all(split_entries(text))
    with contextlib.suppress(ValueError):
        assert all(value for _, value in split_members(text) if is_json(text))


@pytest.mark.parametrize("text", [b"", b"[", b"]", b"[]]", b"[1,]", b"[,1]", b'["]', b"{}", b"1", b"[1] [2]"])
def test_text_that_is_no_array_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"no |match|without"):
        split_entries(text)


@pytest.mark.parametrize("text", [b"", b"{", b"{1: 2}", b'{"a"}', b'{"a": 1,}', b"[]", b'{"a": 1}}'])
def test_text_that_is_no_object_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"no |match|without"):
        list(split_members(text))


def test_name_that_is_no_json_is_none() -> None:
    assert list(split_members(rb'{"\ud83d": NaN, "a": [1]}')) == [(None, b"NaN"), ("a", b"[1]")]


@pytest.mark.parametrize("text", [b'"' + b'\\"' * 200_000, b"[" * 200_000, b'["' + b"\\" * 200_001])
def test_time_is_linear(text: bytes) -> None:
    """A text without an end is read once, not once more from each quote or bracket."""
    with pytest.raises(ValueError, match=r"no |match|without"):
        split_entries(b"[" + text + b"]")

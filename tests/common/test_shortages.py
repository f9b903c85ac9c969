"""A shortage of the machine is told from a bug, by whatever library meets it; a bug by its place."""

from __future__ import annotations

import errno

import duckdb
import polars as pl
import pytest

from common.errors import ShortOfResources, Unforeseen
from common.shortages import is_shortage

SHORTAGES = [
    MemoryError(),
    RuntimeError("can't start new thread"),
    ImportError("libarrow.so: failed to map segment from shared object"),
    OSError(errno.ENOMEM, "x"),
    OSError(errno.EMFILE, "x"),
    BlockingIOError(),
    pl.exceptions.ComputeError("could not spawn threads"),
    duckdb.FatalException(
        "Failed to create checkpoint because of error: could not allocate block of size 256.0 KiB"
    ),
]
OTHERS = [
    ValueError("can't start new thread"),  # a text of an API
    RuntimeError("dictionary changed size"),
    OSError(errno.ENOENT, "x"),
    RecursionError(),
]


@pytest.mark.parametrize("error", SHORTAGES, ids=repr)
def test_shortage_while_a_response_is_handled_is_no_bug(error: Exception) -> None:
    """New: the user was asked to report a bug."""
    assert is_shortage(error)
    found = Unforeseen.of(error, "cs2cap")
    assert isinstance(found, ShortOfResources)
    assert str(found).startswith("cs2cap: this machine has no memory, thread, process or descriptor left: ")
    assert str(found).endswith("then run the command again.")


@pytest.mark.parametrize("error", OTHERS, ids=repr)
def test_bug_while_a_response_is_handled_is_one(error: Exception) -> None:
    """Guard."""
    assert not is_shortage(error)
    found = Unforeseen.of(error, "cs2cap")
    assert type(found) is Unforeseen
    assert str(error) not in str(found) or not str(error)

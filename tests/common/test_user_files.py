"""Paths and files that the user names: home folders, files that never end, folders that refuse this user."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ConfigError
from common.files import LONGEST_USER_FILE, atomic_write, expand_home, read_user_file
from common.machine_errors import find_refusal

PATHS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


@given(text=PATHS | PATHS.map(lambda text: f"~{text}"))
def test_only_a_tilde_at_the_start_is_a_home_folder(text: str) -> None:
    assert expand_home(f"./{text}") == Path(f"./{text}")
    try:
        expected = Path(text).expanduser()
    except RuntimeError:
        with pytest.raises(ConfigError, match="no home folder is known"):
            expand_home(text)
    else:
        assert expand_home(text) == (expected if text.startswith("~") else Path(text))


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/full"])
def test_file_that_never_ends_is_refused(path: str) -> None:
    with pytest.raises(OSError, match="File too large"):
        read_user_file(Path(path))


def test_long_file_and_byte_order_mark_are_read(tmp_path: Path) -> None:
    file = tmp_path / "long.txt"
    file.write_bytes(b"\xef\xbb\xbf" + b"x" * (LONGEST_USER_FILE - 3))
    assert len(read_user_file(file)) == LONGEST_USER_FILE - 3
    with file.open("ab") as longer:
        longer.write(b"x")
    with pytest.raises(OSError, match="File too large"):
        read_user_file(file)


@given(parts=st.lists(PATHS.filter(lambda text: text.strip("./")), max_size=5))
def test_refusal_is_found_for_any_path(parts: list[str]) -> None:
    refused = find_refusal(Path("/proc/1", *(part.replace("/", "_")[:40] for part in parts)))
    assert refused is None or "which belongs to" in refused


def test_refusal_names_the_folder_and_whose_it_is() -> None:
    if os.geteuid():
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory() as name:  # a folder of pytest is closed to others
        folder, closed = Path(name), Path(name) / "closed"
        closed.mkdir(mode=0o755)
        folder.chmod(0o777)
        os.seteuid(65534)
        try:
            assert find_refusal(folder / "new" / "file") is None
            refused = find_refusal(closed / "new" / "file")
        finally:
            os.seteuid(0)
    assert refused == f"this user may not write to the folder {closed}, which belongs to root"


def test_pipe_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="it is a device or a pipe, and no file"):
        atomic_write(pipe, b"content")
    assert pipe.is_fifo()
    assert [file.name for file in tmp_path.iterdir()] == ["pipe"]

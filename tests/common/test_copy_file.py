"""Files are copied whole, on one file system and between two."""

import tempfile
from pathlib import Path

import pytest

from common.files import copy_file

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - another file system, where there is one


@pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 40_000], ids=["empty", "byte", "10 MB"])
def test_copy_has_the_content_of_the_file(tmp_path: Path, content: bytes) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(content)
    target.write_bytes(b"longer than what it was" * 1_000_000)
    copy_file(source, target)
    assert target.read_bytes() == content


@pytest.mark.skipif(not SHARED_MEMORY.is_dir(), reason="there is no second file system")
def test_file_is_copied_to_another_file_system(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"content" * 1000)
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as folder:
        target = Path(folder) / "target"
        copy_file(source, target)
        assert target.read_bytes() == source.read_bytes()


def test_error_names_the_file(tmp_path: Path) -> None:
    source = tmp_path / "source"
    with pytest.raises(FileNotFoundError) as missing:
        copy_file(source, tmp_path / "target")
    assert missing.value.filename == str(source)
    source.write_bytes(b"x")
    with pytest.raises(FileNotFoundError) as nowhere:
        copy_file(source, tmp_path / "no folder" / "target")
    assert nowhere.value.filename == str(tmp_path / "no folder" / "target")

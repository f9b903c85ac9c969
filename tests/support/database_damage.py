"""Damage of files, above all of databases: flipped bits, missing ends, other content."""

import random
from pathlib import Path

from warehouse.paths import WarehousePaths


def flip_random_bit(path: Path, seed: int) -> None:
    """Flip one bit of a file, whatever its permissions."""
    content, chance = bytearray(path.read_bytes()), random.Random(seed)
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    overwrite(path, bytes(content))


def flip_every_block(path: Path) -> None:
    """Flip a bit in each 4 KiB of a file after its first 12 KiB, the header of a DuckDB database."""
    content = bytearray(path.read_bytes())
    for offset in range(12_288 + 64, len(content), 4096):
        content[offset] ^= 1
    overwrite(path, bytes(content))


def cut(path: Path, end: float) -> None:
    """Cut a file after this part of it (below 1), or after this number of bytes."""
    content = path.read_bytes()
    overwrite(path, content[: int(end * len(content) if end < 1 else end)])


def lose_both(paths: WarehousePaths) -> None:
    """Delete both databases."""
    paths.writer.unlink()
    paths.published.unlink()


def flip_both(paths: WarehousePaths) -> None:
    """Flip bits all over both databases."""
    flip_every_block(paths.writer)
    flip_every_block(paths.published)


def overwrite(path: Path, content: bytes) -> None:
    """Replace a file by another one with this content, and with its permissions."""
    # Another file: a process that has the old one open is not disturbed.
    mode = path.stat().st_mode
    path.unlink()
    path.write_bytes(content)
    path.chmod(mode)

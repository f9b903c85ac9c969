"""Flipped bits in the files of both databases: detected and mended, and never loaded as other data."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from common.warehouse_errors import PublishedUnreadable
from tests.support.database_damage import cut, flip_random_bit
from tests.support.four_runs import (
    VIEWS,
    Rows,
    Template,
    check_next_load,
    create_template,
    load_next,
    rows,
)
from tests.support.warehouse import copy_warehouse, minute, query_rows
from warehouse.database import open_reader, open_writer
from warehouse.database_files import log_of
from warehouse.loading.pipeline import republish
from warehouse.paths import WarehousePaths
from warehouse.restoration import restore_writer

pytestmark = [pytest.mark.file_warehouse("damages the database's file"), pytest.mark.slow]
FLIPS = 40
LOADED = 10  # one in so many rounds loads a run, too: where the files are as they were, so is their load
KILLED = """
import duckdb, os, sys
db = duckdb.connect(sys.argv[1])
db.execute("CREATE TABLE mine AS SELECT i, hash(i) AS h FROM range(5000) t(i)")
os._exit(9)
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return create_template(tmp_path_factory)


@pytest.fixture(scope="module")
def expected(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """Return the rows after one more run, which nothing disturbs."""
    return load_next(template.copy(tmp_path_factory.mktemp("expected"), landings=True))


@pytest.fixture(scope="module")
def killed(template: Template, tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    """Return the warehouse with the log of a load that was killed."""
    paths = template.copy(tmp_path_factory.mktemp("killed"), landings=True)
    subprocess.run([sys.executable, "-c", KILLED, str(paths.writer)], check=False)
    assert log_of(paths.writer).stat().st_size > 10_000
    return paths


@pytest.mark.parametrize("damage", ["nothing", "cut", "empty", "flipped"])
def test_log_of_a_killed_load_is_damaged(
    killed: WarehousePaths, expected: Rows, tmp_path: Path, damage: str
) -> None:
    paths = copy_warehouse(killed, tmp_path)
    log = log_of(paths.writer)
    if damage == "flipped":
        flip_random_bit(log, 1)
    elif damage != "nothing":
        cut(log, 0.5 if damage == "cut" else 0)
    check_next_load(paths, expected)
    assert not log.exists()


def test_flipped_bits_of_the_log_of_a_killed_load_are_never_loaded(
    killed: WarehousePaths, tmp_path: Path
) -> None:
    before = read_facts(killed.published)
    for seed in range(FLIPS):
        paths = WarehousePaths(tmp_path / str(seed))
        paths.prepare()
        for path in (killed.writer, killed.published, killed.checksum, log_of(killed.writer)):
            shutil.copy(path, paths.root / path.relative_to(killed.root))
        flip_random_bit(log_of(paths.writer), seed)
        restore_writer(paths, minute(600))
        with open_writer(paths.writer):  # makes the rest of the log a part of the database
            pass
        assert read_facts(paths.writer) == before, seed
        shutil.rmtree(paths.root)


def read_facts(database: Path) -> list[tuple[object, ...]]:
    with open_reader(database) as db:
        return db.execute("FROM quote_history ORDER BY ALL").fetchall()


def test_flipped_bits_of_the_writer_are_never_loaded(
    template: Template, expected: Rows, tmp_path: Path
) -> None:
    whole = template.paths.writer.read_bytes()
    mended = 0
    for seed in range(FLIPS):
        paths = template.copy(tmp_path / str(seed), landings=seed % (2 * LOADED) == 0)
        flip_random_bit(paths.writer, seed)
        done = None if seed % LOADED == 0 else restore_writer(paths, minute(600))
        if done is None:
            check_next_load(paths, expected)
        else:
            assert paths.writer.read_bytes() == whole, seed
            assert "was damaged: it was restored" in done
            assert "\n" not in done
            mended += 1
        shutil.rmtree(paths.root)
    assert mended > FLIPS // 2


def test_flipped_bits_of_the_published_copy_are_never_read(
    template: Template, expected: Rows, tmp_path: Path
) -> None:
    whole = template.paths.published.read_bytes()
    before = rows(template.paths)
    history = before[VIEWS.index("quote_history")]
    mended = 0
    for seed in range(FLIPS):
        paths = template.copy(tmp_path / str(seed), landings=seed % (2 * LOADED) == 0)
        flip_random_bit(paths.published, seed)
        with contextlib.suppress(PublishedUnreadable):
            assert query_rows(paths, "FROM quote_history ORDER BY ALL") == history, seed
        if seed % LOADED == 0:
            check_next_load(paths, expected)
        else:
            republish(paths, minute(600), wait=0)
            is_mended = paths.published.read_bytes() == whole
            assert is_mended or rows(paths) == before, seed
            mended += is_mended
        shutil.rmtree(paths.root)
    assert mended > FLIPS // 2


def test_flipped_bits_of_the_checksum_change_nothing(
    template: Template, expected: Rows, tmp_path: Path
) -> None:
    paths = template.copy(tmp_path / "home", landings=False)
    content = paths.checksum.read_bytes()
    for number in range(len(content)):
        flipped = bytearray(content)
        flipped[number] ^= 1 << number % 8
        paths.checksum.write_bytes(flipped)
        assert restore_writer(paths, minute(600)) is None
    check_next_load(paths, expected)

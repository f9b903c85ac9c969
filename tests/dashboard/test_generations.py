"""Follow publishes: readers keep what they read, a new file is shown when ready, old files are closed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from common.warehouse_errors import NotPublished, PublishedUnreadable
from dashboard.generations import GenerationFollower
from tests.support.clocks import NOON
from tests.support.waiting import wait_until
from tests.support.warehouse import Quote, create_warehouse, land, load, observe
from warehouse.paths import WarehousePaths
from warehouse.queries.generation import Generation

pytestmark = pytest.mark.file_warehouse("replaces the published file")

COUNT = "SELECT count(*) FROM quote_history"


@pytest.fixture
def paths(tmp_path: Path) -> WarehousePaths:
    paths = create_warehouse(tmp_path)
    publish(paths, 0)
    return paths


def publish(paths: WarehousePaths, number: int) -> None:
    at = NOON + timedelta(hours=number)
    land(paths, f"run-{number}", observe(at, Quote("1", 100 + number)), interval_seconds=60)
    load(paths)


def count(generation: Generation) -> int:
    return int(generation.fetch(COUNT, (), lambda cursor: cursor.fetchall())[0][0])


def count_open_files(path: Path) -> int:
    names = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the descriptor of the folder itself
            names.append(str(entry.readlink()))
    return sum(name.startswith(str(path)) for name in names)


def follow_file(
    paths: WarehousePaths, complete: Callable[[Generation], Iterable[object]] = lambda _: ()
) -> GenerationFollower[Generation]:
    prepare = partial(Generation, paths.published)
    return GenerationFollower(paths.published, prepare, complete, poll_seconds=0.02)


@pytest.fixture
def follow(paths: WarehousePaths) -> Callable[[], GenerationFollower[Generation]]:
    return partial(follow_file, paths)


Follow = Callable[[], GenerationFollower[Generation]]


def test_reader_keeps_its_generation_until_it_ends(paths: WarehousePaths, follow: Follow) -> None:
    with follow() as follower:
        with follower.read() as before:
            assert count(before) == 1
            publish(paths, 1)
            wait_for_count(follower, 2)
            assert count(before) == 1
        assert count_open_files(paths.published) == 1  # the newest one
    assert count_open_files(paths.published) == 0


def read_count(follower: GenerationFollower[Generation]) -> int:
    with follower.read() as generation:
        return count(generation)


def wait_for_count(follower: GenerationFollower[Generation], expected: int) -> None:
    wait_until(lambda: read_count(follower) == expected)


@pytest.mark.slow
def test_many_publishes_under_readers(paths: WarehousePaths, follow: Follow) -> None:
    files = [paths.published.read_bytes()]
    publish(paths, 1)
    files.append(paths.published.read_bytes())
    done = threading.Event()

    def read(follower: GenerationFollower[Generation]) -> set[int]:
        found = set()
        while not done.is_set():
            found.add(read_count(follower))
        return found

    with follow() as follower, ThreadPoolExecutor(4) as readers:
        found = [readers.submit(read, follower) for _ in range(4)]
        for number in range(20):
            replace(paths.published, files[number % 2])
            wait_for_count(follower, number % 2 + 1)
        done.set()
        assert [each.result() for each in found] == [{1, 2}] * 4
    assert count_open_files(paths.published) == 0


def test_damaged_file_leaves_the_older_data(
    paths: WarehousePaths, follow: Follow, caplog: pytest.LogCaptureFixture
) -> None:
    whole = paths.published.read_bytes()
    with follow() as follower:
        replace(paths.published, b"no database" * 1000)
        wait_until(lambda: "stays with older data" in caplog.text)
        assert read_count(follower) == 1
        publish_bytes_and_one_more(paths, whole)
        wait_for_count(follower, 2)
    assert caplog.text.count("stays with older data") == 1


def replace(path: Path, content: bytes) -> None:
    partial = path.with_name("partial")
    partial.write_bytes(content)
    partial.replace(path)


def publish_bytes_and_one_more(paths: WarehousePaths, content: bytes) -> None:
    replace(paths.published, content)
    publish(paths, 1)


def test_file_that_is_away_for_a_moment_is_waited_for(paths: WarehousePaths, follow: Follow) -> None:
    aside = paths.published.with_name("aside")
    with follow() as follower:
        paths.published.rename(aside)
        assert read_count(follower) == 1
        aside.rename(paths.published)
        publish(paths, 1)
        wait_for_count(follower, 2)


def test_what_is_shown_is_made_complete_until_a_newer_file_is_there(paths: WarehousePaths) -> None:
    steps: list[int] = []
    replaced = threading.Event()

    def complete(generation: Generation) -> Iterator[None]:
        steps.append(count(generation))
        yield
        if count(generation) == 1:
            replaced.wait()
            yield
            steps.append(0)  # never: the newer file is there

    with follow_file(paths, complete) as follower:
        wait_until(lambda: steps == [1])
        publish(paths, 1)
        replaced.set()
        wait_for_count(follower, 2)
        wait_until(lambda: steps == [1, 2])


def test_failure_to_complete_leaves_what_is_shown(paths: WarehousePaths) -> None:
    tried = threading.Event()

    def complete(_: Generation) -> Iterator[None]:
        tried.set()
        raise PublishedUnreadable("a file is gone", paths.published)
        yield

    with follow_file(paths, complete) as follower:
        tried.wait()
        publish(paths, 1)
        wait_for_count(follower, 2)


def test_first_file_must_be_there_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "market.duckdb"
    with pytest.raises(NotPublished):
        GenerationFollower(path, partial(Generation, path))
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(PublishedUnreadable):
        GenerationFollower(path, partial(Generation, path))

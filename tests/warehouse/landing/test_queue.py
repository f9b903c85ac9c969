"""The queue of landings in an object store: a folder, and an S3 server on loopback."""

from __future__ import annotations

import asyncio
import io
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import obstore
import pytest

from common.warehouse_errors import ObjectStoreRefused, ObjectStoreUnavailable
from tests.support.clocks import NOON
from tests.support.http_servers import stub_server
from tests.support.object_store import SECRET_KEY, ObjectStore
from tests.support.up import free_port
from tests.support.warehouse import DAY, Page, Quote, ShardSpec, create_warehouse, land, minute
from warehouse.landing.model import SetAsideLanding
from warehouse.landing.object_store import open_object_store
from warehouse.landing.queue import LandingQueue
from warehouse.landing.reader import CorruptLanding, LandedRun, read_run
from warehouse.paths import WarehousePaths
from warehouse.shared import SharedLocation


def no_database() -> str:
    raise AssertionError("the queue needs no database")


def at(storage: str, endpoint: str | None = None) -> SharedLocation:
    return SharedLocation(no_database, storage, endpoint=endpoint)


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.server)])
def shared(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SharedLocation]:
    """Return a storage without objects."""
    if request.param == "folder":
        yield at((tmp_path / "shared").as_uri())
        return
    server: ObjectStore = request.getfixturevalue("object_store")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    yield at(server.create_bucket(), server.endpoint)


@pytest.fixture
def paths(tmp_path: Path) -> WarehousePaths:
    """Return the paths of a machine that has fetched nothing yet."""
    return create_warehouse(tmp_path / "machine")


def landed(paths: WarehousePaths, run_id: str, at_minute: float) -> LandedRun:
    page = Page(minute(at_minute), [Quote("1"), Quote("2")])
    return read_run(land(paths, run_id, ShardSpec([page])))


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name != "lock"}


def test_runs_wait_in_the_order_of_observation_and_come_back_as_they_were(
    shared: SharedLocation, paths: WarehousePaths, tmp_path: Path
) -> None:
    queue = LandingQueue(shared)
    runs = [landed(paths, run_id, at) for run_id, at in [("c", 1), ("a", 3), ("b", 2)]]
    for run in runs:
        queue.add(run)
    waiting = queue.list_waiting()
    assert [landing.run_id for landing in waiting] == ["c", "b", "a"]
    folder = queue.fetch(waiting[0], tmp_path / "fetched")
    assert folder.name == "c"
    assert contents(folder) == contents(runs[0].folder)
    assert read_run(folder).header == runs[0].header


def test_of_sixteen_uploads_of_one_run_one_object_is_left(
    shared: SharedLocation, paths: WarehousePaths
) -> None:
    run = landed(paths, "run", 0)
    queues = [LandingQueue(shared) for _ in range(16)]
    with ThreadPoolExecutor(16) as pool:
        names = set(pool.map(lambda queue: queue.add(run), queues))
    assert set(LandingQueue(shared).list_waiting()) == names
    assert len(names) == 1


def test_an_uploaded_run_is_never_replaced(shared: SharedLocation, paths: WarehousePaths) -> None:
    queue, run = LandingQueue(shared), landed(paths, "run", 0)
    queued = queue.add(run)
    store = open_object_store(shared)
    before = obstore.head(store, f"waiting/{queued.name}")
    (run.folder / "0002.json").write_bytes(b"{}")
    queue.add(run)
    assert obstore.head(store, f"waiting/{queued.name}") == before


def test_a_loaded_run_is_kept_by_its_day_and_deleted_later(
    shared: SharedLocation, paths: WarehousePaths
) -> None:
    queue = LandingQueue(shared)
    first, second = queue.add(landed(paths, "first", 0)), queue.add(landed(paths, "second", 1))
    queue.mark_loaded(first, NOON)
    queue.mark_loaded(first, NOON + 5 * DAY)  # a loader that was killed in between did it before
    assert queue.list_waiting() == [second]
    queue.mark_loaded(second, NOON + DAY)
    store = open_object_store(shared)

    def kept() -> list[str]:
        return sorted(meta["path"] for part in obstore.list(store, "loaded") for meta in part)

    days = [f"{NOON + number * DAY:%Y-%m-%d}" for number in (0, 1)]
    assert kept() == [f"loaded/{days[0]}/{first.name}", f"loaded/{days[1]}/{second.name}"]
    assert queue.prune(NOON + DAY, timedelta(days=1)) == 0
    assert queue.prune(NOON + 2 * DAY, timedelta(days=1)) == 1
    assert kept() == [f"loaded/{days[1]}/{second.name}"]


def test_a_run_that_is_set_aside_can_be_released(shared: SharedLocation, paths: WarehousePaths) -> None:
    queue = LandingQueue(shared)
    runs = [landed(paths, "one", 0), landed(paths, "two", 1)]
    one, two = map(queue.add, runs)
    queue.set_aside(one, "a file is damaged\x1b[31m", runs[0].header)
    queue.set_aside(two, "no", None)
    assert queue.list_waiting() == []
    first, second = queue.list_set_aside()
    assert first == SetAsideLanding("one", "a file is damaged\\x1b[31m", runs[0].header)
    assert second == SetAsideLanding("two", "no")
    obstore.put(open_object_store(shared), f"unreadable/{two.name}.json", b"{")
    assert queue.list_set_aside()[1].reason == "the reason cannot be read"
    queue.release(["one"])
    assert queue.list_waiting() == [one]
    queue.release([])
    assert queue.list_waiting() == [one, two]
    assert queue.list_set_aside() == []


@pytest.mark.parametrize("name", ["../escape", "/absolute", "folder/0001.json", ".hidden"])
def test_an_object_with_a_file_that_no_landing_has_is_refused(
    shared: SharedLocation, paths: WarehousePaths, tmp_path: Path, name: str
) -> None:
    queue, content = LandingQueue(shared), io.BytesIO()
    queued = queue.add(landed(paths, "run", 0))
    with tarfile.open(fileobj=content, mode="w") as tar:
        tar.addfile(tarfile.TarInfo(name))
    obstore.put(open_object_store(shared), f"waiting/{queued.name}", content.getvalue())
    with pytest.raises(CorruptLanding, match="is no landing"):
        queue.fetch(queued, tmp_path / "deep" / "fetched")
    assert not (tmp_path / "deep" / "escape").exists()


@pytest.mark.parametrize("content", [b"", b"no tar", b"\0" * 512])
def test_an_object_that_is_no_tar_is_no_landing(
    shared: SharedLocation, paths: WarehousePaths, tmp_path: Path, content: bytes
) -> None:
    queue = LandingQueue(shared)
    queued = queue.add(landed(paths, "run", 0))
    obstore.put(open_object_store(shared), f"waiting/{queued.name}", content)
    with pytest.raises(CorruptLanding):
        read_run(queue.fetch(queued, tmp_path / "fetched"))


def test_other_objects_in_the_storage_are_not_read(shared: SharedLocation, paths: WarehousePaths) -> None:
    store = open_object_store(shared)
    for name in ("waiting/notes.txt", "waiting/20260101T000000000000Z-x.tar.part", "other/x.tar"):
        obstore.put(store, name, b"")
    queue = LandingQueue(shared)
    queued = queue.add(landed(paths, "run", 0))
    assert queue.list_waiting() == [queued]


@pytest.mark.server
def test_a_missing_bucket_is_one_clear_error(
    object_store: ObjectStore, paths: WarehousePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in object_store.environment.items():
        monkeypatch.setenv(name, value)
    queue = LandingQueue(at("s3://no-such-bucket/market", object_store.endpoint))
    with pytest.raises(ObjectStoreRefused, match="does not exist"):
        queue.add(landed(paths, "run", 0))
    with pytest.raises(ObjectStoreRefused, match="does not exist"):
        queue.list_waiting()


@pytest.mark.server
def test_rejected_credentials_are_named_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "planted")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    body = b"<Error><Code>SignatureDoesNotMatch</Code></Error>"
    answer = b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    async def list_waiting() -> None:
        async with stub_server(answer) as server:
            await asyncio.to_thread(LandingQueue(at("s3://market/prefix", server.url)).list_waiting)

    with pytest.raises(ObjectStoreRefused, match="does not accept the credentials") as refused:
        asyncio.run(list_waiting())
    assert SECRET_KEY not in f"{refused.value!r} {refused.value}"


@pytest.mark.slow
def test_a_store_that_does_not_answer_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "planted")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    queue = LandingQueue(at("s3://market", f"http://127.0.0.1:{free_port()}"))
    with pytest.raises(ObjectStoreUnavailable, match="s3://market does not answer"):
        queue.list_waiting()

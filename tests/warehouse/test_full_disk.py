"""A full disk is reported as such; landed pages are not lost, and the next load takes them."""

import shutil
from pathlib import Path

import pytest

from common.files import UnbufferedFile
from common.sqlite_state import SqliteState
from common.warehouse_errors import WarehouseFull
from tests.support.cases import slow_but_first
from tests.support.warehouse import (
    Page,
    Quote,
    ShardSpec,
    copy_warehouse,
    create_warehouse,
    land,
    land_and_load,
    load,
    minute,
    observe,
    query_rows,
    quotes_frame,
    run_header,
)
from tests.support.warehouse_failures import fill_disk
from warehouse.landing.reader import read_run
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths
from warehouse.rebuild import rebuild
from warehouse.state.alerts import Alert, AlertStore

pytestmark = pytest.mark.file_warehouse("the disk of the database's file is full")

MANY = [Quote(str(number), number, url=f"https://example.com/{number * 7919}") for number in range(20_000)]


@pytest.mark.slow
@pytest.mark.parametrize("leave", slow_but_first(300_000, 0, 1_200_000, 2_500_000))
def test_landing_waits_until_there_is_free_space(small_disk: Path, leave: int) -> None:
    paths = create_warehouse(small_disk)
    land(paths, "a", observe(minute(0), *MANY[:10]))
    load(paths)
    land(paths, "b", observe(minute(10), *MANY))
    ballast = fill_disk(small_disk, leave)
    with pytest.raises(WarehouseFull, match=r"no space left.*free some space"):
        load(paths)
    assert query_rows(paths, "SELECT count(*) FROM quotes") == [(10,)]
    ballast.unlink()

    load(paths)
    assert query_rows(paths, "SELECT count(*), sum(lowest_ask) FROM quotes") == [(20_000, sum(range(20_000)))]
    assert query_rows(paths, "SELECT run_id, rows_fetched FROM runs ORDER BY ALL") == [
        ("a", 10),
        ("b", 20_000),
    ]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    """Return a warehouse with a large run and a small one."""
    paths = create_warehouse(tmp_path_factory.mktemp("template"))
    land_and_load(paths, "a", observe(minute(0), *MANY))
    land_and_load(paths, "b", observe(minute(10), *MANY[:10]))
    return paths


@pytest.mark.slow
@pytest.mark.parametrize("leave", slow_but_first(100_000, 0, 1_000_000))
def test_rebuild_without_space_for_the_copy_of_the_old_database(
    template: WarehousePaths, small_disk: Path, leave: int
) -> None:
    paths = copy_warehouse(template, small_disk)
    before = query_rows(paths, "FROM quotes ORDER BY ALL")
    shutil.rmtree(paths.landing / "a")  # only the old database holds it
    files = {path: path.read_bytes() for path in (paths.writer, paths.published)}
    assert len(files[paths.writer]) > leave
    ballast = fill_disk(small_disk, leave)
    with pytest.raises(WarehouseFull, match=r"^no space left on the disk of \S+; free some space") as error:
        rebuild(paths, lambda: minute(600), wait=0)
    assert "\n" not in str(error.value)
    assert {path: path.read_bytes() for path in files} == files
    assert [path.name for path in paths.writer.parent.glob("*.duckdb*")] == ["market.duckdb"]
    ballast.unlink()

    assert rebuild(paths, lambda: minute(600), wait=0).taken_over == 1
    assert query_rows(paths, "FROM quotes ORDER BY ALL") == before
    assert query_rows(paths, "SELECT run_id FROM runs ORDER BY ALL") == [("a",), ("b",)]


def test_page_that_does_not_fit_is_left_out_and_the_other_pages_stay(small_disk: Path) -> None:
    paths = WarehousePaths(small_disk)
    paths.prepare()
    pages = [Page(minute(n), MANY[n * 2000 : (n + 1) * 2000], offset=n * 2000) for n in range(10)]
    shard = ShardSpec(pages)
    with LandingWriter(paths.landing, run_header("run", minute(0))) as landing:
        writer = landing.open_shard(shard.header(1))
        writer.append(pages[0].meta(), quotes_frame(pages[0].quotes))
        ballast = fill_disk(small_disk, 50_000)
        landed = 1
        with pytest.raises(WarehouseFull):  # noqa: PT012 - any of the pages may be the first without space
            for page in pages[1:]:
                writer.append(page.meta(), quotes_frame(page.quotes))
                landed += 1
        ballast.unlink()
        writer.append(pages[9].meta(), quotes_frame(pages[9].quotes))
        landed += 1
        writer.finish(complete=False, reason="one did not fit")
        landing.finish("incomplete")

    (read,) = read_run(landing.folder).shards
    assert (read.complete, len(read.pages)) == (False, landed)
    assert sum(len(batch) for _, batch in read.batches()) == landed * 2000
    assert load(paths)[0].rows_fetched == landed * 2000


def test_unbuffered_file_writes_everything_or_raises(small_disk: Path) -> None:
    """The operating system writes a part and reports no error."""
    fill_disk(small_disk, 200_000)
    with UnbufferedFile(small_disk / "page", "wb") as file:
        assert file.write(memoryview(bytes(100_000)).cast("i")) == 100_000
        with pytest.raises(OSError, match="No space left"):
            file.write(bytes(200_000))


def test_run_cannot_start_on_a_full_disk(small_disk: Path) -> None:
    paths = create_warehouse(small_disk)
    fill_disk(small_disk, 0)
    with pytest.raises(WarehouseFull), LandingWriter(paths.landing, run_header("run", minute(0))):
        pass


def test_alert_on_a_full_disk_raises_warehouse_full(small_disk: Path) -> None:
    alerts = AlertStore(SqliteState(small_disk / "state.db"))
    fill_disk(small_disk, 0)
    with pytest.raises(WarehouseFull):  # noqa: PT012 - the file has some free pages
        for number in range(1000):
            alerts.raise_alert(Alert("auth.failed", "cs2cap", str(number), "x" * 4096), minute(0))

"""A database that is missing, damaged or short is brought back from the published copy, or refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from common.files import read_file_version
from common.warehouse_errors import (
    DatabaseIncomplete,
    DatabaseUnreadable,
    PublishedUnreadable,
    WarehouseError,
)
from tests.support.cases import slow_but
from tests.support.database_damage import (
    cut,
    flip_both,
    flip_every_block,
    lose_both,
    overwrite,
)
from tests.support.four_runs import RESTORED, Rows, Template, create_template, load_next, rows
from tests.support.warehouse import (
    Quote,
    land,
    land_and_load,
    load,
    minute,
    observe,
    query_rows,
)
from warehouse.export import export_duckdb
from warehouse.loading.pipeline import republish
from warehouse.paths import WarehousePaths
from warehouse.publish import publish
from warehouse.rebuild import rebuild
from warehouse.restoration import find_published_base

pytestmark = pytest.mark.file_warehouse("the two files of one warehouse restore each other")

Damage = Callable[[WarehousePaths], object]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return create_template(tmp_path_factory)


@pytest.fixture(scope="module")
def expected(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """Return the rows after one more run, which nothing disturbs."""
    return load_next(template.copy(tmp_path_factory.mktemp("expected"), landings=True))


def put_older(path: Path, *, loaded: str = "") -> Callable[[WarehousePaths], None]:
    """Return what puts the database after two runs in the place of another, with another run `loaded`."""

    def damage(paths: WarehousePaths) -> None:
        target = paths.root / path
        target.unlink()
        shutil.copy(paths.root / "older", target)
        if loaded:
            with duckdb.connect(str(target)) as db:
                db.execute("UPDATE store.run SET run_id = ? WHERE run_id = 'r1'", [loaded])

    return damage


def put_foreign(paths: WarehousePaths) -> None:
    paths.writer.unlink()
    with duckdb.connect(str(paths.writer)) as db:
        db.execute("CREATE TABLE mine (a INTEGER)")


def leave_only_log(paths: WarehousePaths) -> None:
    paths.writer.unlink()
    paths.writer.with_name("market.duckdb.wal").write_bytes(b"left by a killed writer")


TEXT = b"text" * 10_000
WRITER, PUBLISHED = Path("writer/market.duckdb"), Path("market.duckdb")


def remove_folder(paths: WarehousePaths) -> None:
    shutil.rmtree(paths.writer.parent)
    paths.prepare()


# Damage that is mended, and the words of the alert. Guards were right before.
MENDED: dict[str, tuple[Damage, str]] = {
    "writer is missing (new)": (lambda paths: paths.writer.unlink(), "was missing"),
    "writer's folder is missing (new)": (remove_folder, "was missing"),
    "writer is missing, its log is left (new)": (leave_only_log, "was missing"),
    "writer is empty (new)": (lambda paths: overwrite(paths.writer, b""), "was missing"),
    "writer is text (new)": (lambda paths: overwrite(paths.writer, TEXT), "was damaged"),
    "writer is cut in the middle (new)": (lambda paths: cut(paths.writer, 0.5), "was damaged"),
    "writer is cut after its header (new)": (lambda paths: cut(paths.writer, 12_288), "was damaged"),
    "writer is flipped (new)": (lambda paths: flip_every_block(paths.writer), "was damaged"),
    "writer is a foreign database (new)": (put_foreign, "was damaged"),
    "writer is an older one (new)": (put_older(WRITER), "lacked runs"),
    "published copy is text (guard)": (
        lambda paths: overwrite(paths.published, TEXT),
        "could not be read",
    ),
    "published copy is cut (new)": (lambda paths: cut(paths.published, 12_288), "could not be read"),
    "published copy is flipped (new)": (lambda paths: flip_every_block(paths.published), "could not be read"),
    "published copy is missing (guard)": (lambda paths: paths.published.unlink(), ""),
    "published copy is an older one (guard)": (put_older(PUBLISHED), ""),
    "published copy is empty (guard)": (lambda paths: overwrite(paths.published, b""), ""),
    "checksum is missing (guard)": (lambda paths: paths.checksum.unlink(missing_ok=True), ""),
    "checksum is damaged (guard)": (lambda paths: paths.checksum.write_bytes(b"\xff"), ""),
}


QUICK = {"writer is flipped (new)", "writer is an older one (new)", "published copy is cut (new)"}


@pytest.mark.slow
@pytest.mark.parametrize("landings", [True, False], ids=["landings", "no landings"])
@pytest.mark.parametrize(("damage", "words"), slow_but(QUICK, MENDED))
def test_next_load_mends_the_database(
    template: Template, expected: Rows, tmp_path: Path, damage: Damage, words: str, landings: bool
) -> None:
    paths = template.copy(tmp_path / "home", landings=landings)
    damage(paths)
    land(paths, "next", observe(minute(60), Quote("5", 777)))
    reports = load(paths)

    assert [report.run_id for report in reports] == ["next"]
    assert rows(paths) == expected
    alerts = [message for (message,) in query_rows(paths, RESTORED)]
    assert [words in message and "\n" not in message for message in alerts] == ([True] if words else [])
    assert load(paths) == []
    assert rows(paths) == expected
    assert len(query_rows(paths, RESTORED)) == len(alerts)


def keep_older_checksum(paths: WarehousePaths) -> None:
    """Leave what an older version recorded: the checksum only."""
    paths.checksum.write_text(paths.checksum.read_text().partition("\n")[0])


def rewrite(path: Path) -> None:
    path.chmod(0o600)
    path.write_bytes(path.read_bytes())


CHANGES: dict[str, Damage] = {
    "published copy is written again": lambda paths: rewrite(paths.published),
    "published copy is replaced": put_older(PUBLISHED),
    "published copy is missing": lambda paths: paths.published.unlink(),
    "published copy has a log": lambda paths: (paths.root / "market.duckdb.wal").write_bytes(b"x"),
    "writer is flipped": lambda paths: flip_every_block(paths.writer),
    "writer is an older one": put_older(WRITER),
    "writer has a log": lambda paths: paths.writer.with_name("market.duckdb.wal").write_bytes(b"x"),
    "checksum is missing": lambda paths: paths.checksum.unlink(),
    "checksum is damaged": lambda paths: paths.checksum.write_bytes(b"\xff"),
    "checksum is of an older version": keep_older_checksum,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_files_are_compared_unless_neither_has_changed_since_the_publish(
    template: Template, tmp_path: Path, change: Damage
) -> None:
    paths = template.copy(tmp_path / "home", landings=False)
    assert find_published_base(paths) == ""  # a copy is another file
    publish(paths)
    assert find_published_base(paths) == read_file_version(paths.published)
    change(paths)
    assert find_published_base(paths) == ""


def test_damaged_file_is_kept_beside_the_one_that_replaces_it(template: Template, tmp_path: Path) -> None:
    paths = template.copy(tmp_path, landings=False)
    overwrite(paths.writer, b"text")
    load(paths)
    assert paths.writer.with_name("market.before-20260601T220000Z.duckdb").read_bytes() == b"text"


def diverge(paths: WarehousePaths) -> None:
    for run_id in ("r2", "r3"):
        shutil.rmtree(paths.landing / run_id, ignore_errors=True)
    put_older(WRITER, loaded="other")(paths)


# Damage that is refused with a landing for each run, and what the error says.
REFUSED: dict[str, tuple[Damage, type[WarehouseError], str]] = {
    "both are missing (new)": (lose_both, DatabaseIncomplete, "no database at .*, although 4 landings"),
    "both are flipped (new)": (flip_both, DatabaseUnreadable, "writer/market.duckdb and .* cannot be read"),
    "each lacks runs (new)": (diverge, DatabaseIncomplete, "lacks 3 runs and .* lacks 1 runs"),
}


@pytest.mark.parametrize(("damage", "error", "words"), slow_but({"each lacks runs (new)"}, REFUSED))
def test_load_without_a_database_to_go_on_with_is_refused(
    template: Template, tmp_path: Path, damage: Damage, error: type[WarehouseError], words: str
) -> None:
    paths = template.copy(tmp_path, landings=True)
    damage(paths)
    files = {path: path.read_bytes() for path in (paths.writer, paths.published) if path.exists()}
    landing = land(paths, "next", observe(minute(60), Quote("5", 777)))
    for _ in range(2):
        with pytest.raises(error, match=f"{words}.*maintain rebuild"):
            load(paths)
    assert not (landing / "loaded").exists()
    assert {path: path.read_bytes() for path in (paths.writer, paths.published) if path.exists()} == files


@pytest.mark.slow
def test_rebuild_after_the_loss_of_both_databases_holds_what_the_landings_hold(
    template: Template, expected: Rows, tmp_path: Path
) -> None:
    paths = template.copy(tmp_path, landings=True)
    land(paths, "next", observe(minute(60), Quote("5", 777)))
    lose_both(paths)
    rebuild(paths, lambda: minute(600), wait=0)
    assert rows(paths) == expected


@pytest.mark.slow
def test_new_warehouse_gets_a_new_database(tmp_path: Path) -> None:
    paths = WarehousePaths(tmp_path)
    paths.prepare()
    land_and_load(paths, "a", observe(minute(0), Quote()))
    assert query_rows(paths, "SELECT run_id FROM runs") == [("a",)]


@pytest.mark.slow
def test_older_databases_load_the_landings_again_that_they_lack(
    template: Template, expected: Rows, tmp_path: Path
) -> None:
    paths = template.copy(tmp_path, landings=True)
    for path in (WRITER, PUBLISHED):
        put_older(path)(paths)
    land(paths, "next", observe(minute(60), Quote("5", 777)))
    assert [report.run_id for report in load(paths)] == ["r2", "r3", "next"]
    assert rows(paths) == expected


def test_publish_that_would_lose_runs_is_refused(template: Template, tmp_path: Path) -> None:
    paths = template.copy(tmp_path, landings=False)
    before = paths.published.read_bytes()
    put_older(WRITER)(paths)
    with pytest.raises(DatabaseIncomplete, match=r"lacks runs that .* holds, and is not published"):
        publish(paths)
    assert paths.published.read_bytes() == before


@pytest.mark.slow
def test_rebuild_takes_the_longer_database_over(template: Template, expected: Rows, tmp_path: Path) -> None:
    paths = template.copy(tmp_path, landings=False)
    land(paths, "next", observe(minute(60), Quote("5", 777)))
    put_older(WRITER)(paths)
    rebuild(paths, lambda: minute(600), wait=0)
    assert rows(paths) == expected


def test_damaged_published_copy_is_named_and_made_anew(template: Template, tmp_path: Path) -> None:
    paths = template.copy(tmp_path, landings=False)
    before = rows(paths)
    flip_every_block(paths.published)
    with pytest.raises(PublishedUnreadable, match=r"market\.duckdb.*`floorline maintain load`") as error:
        query_rows(paths, "FROM quotes")
    assert "\n" not in str(error.value)
    republish(paths, minute(600), wait=0)
    assert rows(paths) == before
    republish(paths, minute(600), wait=0)  # another process was faster: nothing is to be done


@pytest.mark.slow
def test_export_is_a_backup_that_can_be_restored(template: Template, tmp_path: Path) -> None:
    paths = template.copy(tmp_path / "home", landings=False)
    before = rows(paths)
    export_duckdb(paths, tmp_path / "backup.duckdb")
    paths.published.unlink()
    shutil.copy(tmp_path / "backup.duckdb", paths.writer)
    assert load(paths) == []
    assert rows(paths) == before

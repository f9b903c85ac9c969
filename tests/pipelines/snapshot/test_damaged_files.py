"""A snapshot over damaged, cut or missing files: what it brings is loaded, and nothing else is."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.core import Sandbox
from sandbox.server import serve
from tests.support.cases import slow_but
from tests.support.database_damage import cut, flip_both, flip_every_block, lose_both, overwrite
from tests.support.sandboxes import quiet
from tests.support.snapshots import (
    Bench,
    CommandOutput,
    basket,
    catalog_of,
    ledger,
    main_with,
    price_requests,
)
from warehouse.paths import WarehousePaths
from warehouse.state.alerts import read_alerts
from warehouse.state.database import open_state

pytestmark = [
    pytest.mark.file_warehouse("damages files of one machine"),
    pytest.mark.usefixtures("no_prefect"),
]
TEXT = b"not what was written" * 1000
REQUESTS = 2  # for prices, of a snapshot: one an item
Damage = Callable[[WarehousePaths], object]


def flip_bytes(path: Path, number: int = 200) -> None:
    """Flip bytes all over a file, but in its first one: no text would say so clearly that it is no file."""
    content, chance = bytearray(path.read_bytes()), random.Random(1)
    for _ in range(number):
        content[chance.randrange(1, len(content))] ^= 0xFF
    overwrite(path, bytes(content))


def spoil_catalogs(spoil: Callable[[Path], object]) -> Damage:
    return lambda paths: [spoil(path) for path in paths.catalog.glob("*/*.arrow")]


# The damage, and the subject of the alert `database.restored` that tells it; None: nothing is to be told.
MENDED: dict[str, tuple[Damage, str | None]] = {
    "nothing (guard)": (lambda _paths: None, None),
    "published: text (new)": (lambda paths: overwrite(paths.published, TEXT), ""),
    "published: flipped (new)": (lambda paths: flip_every_block(paths.published), ""),
    "published: cut (new)": (lambda paths: cut(paths.published, 0.5), ""),
    "published: missing (guard)": (lambda paths: paths.published.unlink(), None),
    "writer: text (new)": (lambda paths: overwrite(paths.writer, TEXT), ""),
    "writer: flipped (new)": (lambda paths: flip_every_block(paths.writer), ""),
    "writer: cut (new)": (lambda paths: cut(paths.writer, 0.5), ""),
    "writer: empty (new)": (lambda paths: overwrite(paths.writer, b""), ""),
    "writer: missing (new)": (lambda paths: paths.writer.unlink(), ""),
    "state: text (new)": (lambda paths: overwrite(paths.state, TEXT), "state.db"),
    "state: flipped (new)": (lambda paths: flip_bytes(paths.state), "state.db"),
    "state: cut (new)": (lambda paths: cut(paths.state, 0.5), "state.db"),
    "state: empty (new)": (lambda paths: overwrite(paths.state, b""), "state.db"),
    "state: missing (new)": (lambda paths: paths.state.unlink(), "state.db"),
    "catalogs: text (guard)": (spoil_catalogs(lambda path: overwrite(path, TEXT)), None),
    "catalogs: flipped (guard)": (spoil_catalogs(flip_bytes), None),
    "catalogs: cut (guard)": (spoil_catalogs(lambda path: cut(path, 0.5)), None),
    "catalogs: missing (guard)": (spoil_catalogs(lambda path: path.unlink()), None),
}
REFUSED: dict[str, tuple[Damage, str]] = {
    "both databases: missing (new)": (lose_both, "there is no database at "),
    "both databases: flipped (new)": (flip_both, "cannot be read; restore a backup"),
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with serve(quiet()) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox) -> Bench:
    """Return a project after a snapshot, whose market has moved since."""
    bench = Bench.at(tmp_path_factory.mktemp("template"), sandbox, basket())
    bench.snapshot()
    sandbox.move(100)
    return bench


@pytest.fixture
def bench(template: Bench, tmp_path: Path) -> Bench:
    return template.copy(tmp_path)


def run(bench: Bench, *arguments: str) -> CommandOutput:
    return main_with(*arguments, "--config", str(bench.config))


QUICK = {"published: flipped (new)", "writer: cut (new)", "state: text (new)", "catalogs: flipped (guard)"}


@pytest.mark.slow
@pytest.mark.parametrize(("damage", "subject"), slow_but(QUICK, MENDED))
def test_snapshot_mends_what_is_damaged(
    bench: Bench, sandbox: Sandbox, damage: Damage, subject: str | None
) -> None:
    runs = set(bench.query("SELECT run_id FROM runs"))
    before = len(sandbox.requests)
    damage(bench.paths)
    output = run(bench, "snapshot", "--quiet")

    assert (output.code, output.err) == (0, "")
    assert bench.quotes() == ledger(sandbox, ["steam"], [int(item) for _, item, *_ in bench.quotes()])
    assert len(runs | set(bench.query("SELECT run_id FROM runs"))) == len(runs) + 1
    assert runs <= set(bench.query("SELECT run_id FROM runs"))
    assert len(price_requests(sandbox, before)) == REQUESTS
    restored = [alert for alert in read_alerts(open_state(bench.paths)) if alert.cause == "database.restored"]
    assert [alert.subject for alert in restored] == ([] if subject is None else [subject])
    for command in ("status", "alerts list", "query FROM_quotes"):
        arguments = [word.replace("_", " ") for word in command.split()]
        assert run(bench, *arguments).code == 0, command


@pytest.mark.parametrize(("damage", "words"), slow_but({"both databases: flipped (new)"}, REFUSED))
def test_snapshot_without_a_database_to_go_on_with_lands_and_ends_with_exit_code_6(
    bench: Bench, sandbox: Sandbox, damage: Damage, words: str
) -> None:
    before, landings = len(sandbox.requests), len(list(bench.paths.landing.iterdir()))
    damage(bench.paths)
    output = run(bench, "snapshot", "--quiet")

    assert (output.code, output.err.count("\n")) == (6, 1)
    assert words in output.err
    assert "floorline maintain rebuild" in output.err
    landed = len(list(bench.paths.landing.iterdir())) - landings
    assert len(price_requests(sandbox, before)) == landed * REQUESTS


READERS = {
    "query (new)": (("query", "FROM quotes"), lambda paths: flip_every_block(paths.published), 6),
    "status, published (new)": (("status",), lambda paths: flip_every_block(paths.published), 6),
    "status, state (new)": (("status",), lambda paths: flip_bytes(paths.state), 6),
    "alerts list (new)": (("alerts", "list"), lambda paths: flip_bytes(paths.state), 6),
    "alerts list, text (new)": (("alerts", "list"), lambda paths: overwrite(paths.state, TEXT), 6),
    "backfill list (new)": (("backfill", "list"), lambda paths: overwrite(paths.state, TEXT), 6),
}


@pytest.mark.parametrize(
    ("arguments", "damage", "code"), slow_but({"query (new)", "alerts list (new)"}, READERS)
)
def test_reader_of_a_damaged_file_says_so_in_one_line(
    bench: Bench, arguments: tuple[str, ...], damage: Damage, code: int
) -> None:
    damage(bench.paths)
    output = run(bench, *arguments)
    assert (output.code, output.out, output.err.count("\n")) == (code, "", 1)
    assert "`floorline maintain load`" in output.err
    assert run(bench, "maintain", "load").code == 0
    assert run(bench, *arguments).code == 0


FOUND: dict[str, tuple[Damage, str]] = {
    "published (guard)": (lambda paths: flip_every_block(paths.published), "database"),
    "writer (guard)": (lambda paths: flip_every_block(paths.writer), "loader"),
    "state, flipped (new)": (lambda paths: flip_bytes(paths.state), "state"),
    "state, text (new)": (lambda paths: overwrite(paths.state, TEXT), "state"),
}


@pytest.mark.parametrize(("damage", "name"), slow_but({"state, flipped (new)"}, FOUND))
def test_doctor_finds_the_damaged_file(bench: Bench, damage: Damage, name: str) -> None:
    damage(bench.paths)
    output = run(bench, "doctor")
    failed = {line.split()[1] for line in output.out.splitlines() if line.startswith("fail")}
    # The sandbox's clock is not that of this machine.
    assert (output.code, failed - {"cs2cap"}, output.err) == (1, {name}, "")
    assert "this check broke" not in output.out


LANDED = "warehouse/landing/test_damaged_files.py::test_two_hundred_flipped_bits_are_found"
CACHED = "pipelines/test_catalog_cache.py::test_flipped_bit_in_a_cached_catalog_is_found"
DATABASES = "warehouse/test_flipped_databases.py::test_flipped_bits_of_the_"
# The test that flips bits of each kind of file in the folder of a warehouse.
FLIPPED = {
    "market.duckdb": f"{DATABASES}published_copy_are_never_read",
    "writer/market.duckdb": f"{DATABASES}writer_are_never_loaded",
    "writer/checksum": f"{DATABASES}checksum_change_nothing",
    "state.db": "warehouse/state/test_mending.py::test_flipped_bits_are_never_read",
    **dict.fromkeys(("catalog/*/*.arrow", "catalog/*/*.arrow.checksum"), CACHED),
    **dict.fromkeys((f"landing/*/{name}" for name in ("run.json", "done.json", "*.arrow.zst")), LANDED),
    **dict.fromkeys(
        (f"landing/*/0.{end}" for end in ("json", "arrow.zst", "lines.json", "lines.zst")), LANDED
    ),
}
EMPTY = {"writer/lock", "landing/*/lock", "landing/*/loaded"}


def kind_of(path: Path) -> str:
    """Return the path of a file in a warehouse without the names of runs, sources, shards and catalogs."""
    text = re.sub(r"^(landing|catalog)/[^/]+", r"\1/*", path.as_posix())
    return re.sub(r"/(items|providers|fx)\.", "/*.", re.sub(r"/\d{4}\.", "/0.", text))


@pytest.mark.slow
def test_bits_are_flipped_of_each_kind_of_file(tmp_path: Path, sandbox: Sandbox) -> None:
    baskets = (basket(currencies=["USD", "EUR"]), catalog_of("steam", name="all"))
    bench = Bench.at(tmp_path, sandbox, *baskets)
    bench.snapshot()
    files = [path for path in bench.paths.root.rglob("*") if path.is_file()]
    kinds = {kind_of(path.relative_to(bench.paths.root)) for path in files if path.stat().st_size}
    assert kinds == FLIPPED.keys()
    assert {kind_of(path.relative_to(bench.paths.root)) for path in files} - kinds == EMPTY
    for test in FLIPPED.values():
        file, _, name = test.partition("::")
        assert f"def {name}(" in (Path(__file__).parents[2] / file).read_text()

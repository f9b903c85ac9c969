"""A warehouse of another user, and odd things in the place of its files: one line, and no traceback."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.server import serve
from tests.support.sandboxes import quiet
from tests.support.snapshots import Bench, basket, main_with
from warehouse.paths import WarehousePaths

pytestmark = pytest.mark.usefixtures("no_prefect")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with serve(quiet()) as sandbox:
        bench = Bench.at(tmp_path_factory.mktemp("template"), sandbox, basket())
        bench.snapshot()
        yield bench


@pytest.fixture
def bench(template: Bench) -> Iterator[Bench]:
    """Return a project in a folder that everybody can read, with a snapshot."""
    with tempfile.TemporaryDirectory() as folder:
        bench = template.copy(Path(folder))
        bench.folder.chmod(0o755)
        bench.config.chmod(0o644)
        yield bench


@pytest.mark.parametrize(
    "arguments",
    [("status",), ("alerts", "list"), ("query", "FROM quotes"), ("maintain", "load"), ("snapshot",)],
)
def test_warehouse_of_another_user_is_closed(bench: Bench, arguments: tuple[str, ...]) -> None:
    if os.geteuid():
        pytest.skip("only root can become another user")
    main_with("status", "--config", str(bench.config))  # the other user may not be able to import modules
    os.seteuid(65534)
    try:
        output = main_with(*arguments, "--config", str(bench.config))
    finally:
        os.seteuid(0)
    assert output.code in {2, 6}
    assert (output.out, output.err.count("\n")) == ("", 1)
    refused = re.search(
        r"this user may not write to the (file|folder) (\S+), which belongs to root", output.err
    )
    assert refused, output.err
    assert Path(refused[2]).is_relative_to(bench.folder), "the file or folder that refuses is named"


def in_the_place_of(name: str) -> Callable[[WarehousePaths], None]:
    """Return what puts a folder with a file in the place of a file."""

    def replace(paths: WarehousePaths) -> None:
        (paths.root / name).unlink()
        (paths.root / name).mkdir()
        (paths.root / name / "file").touch()

    return replace


@pytest.mark.parametrize("name", ["market.duckdb", "writer/market.duckdb", "state.db"])
@pytest.mark.parametrize("arguments", [("snapshot", "--quiet"), ("status",), ("doctor",)])
def test_folder_in_the_place_of_a_file(bench: Bench, name: str, arguments: tuple[str, ...]) -> None:
    in_the_place_of(name)(bench.paths)
    output = main_with(*arguments, "--config", str(bench.config))
    assert output.err.count("\n") <= 1
    assert "Traceback" not in output.err
    assert (output.code == 0) == (arguments == ("status",) and name.startswith("writer"))

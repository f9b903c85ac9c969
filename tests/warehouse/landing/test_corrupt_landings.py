"""A landing that cannot be read is quarantined with the reason; the others load."""

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from tests.support.cases import slow_but
from tests.support.warehouse import (
    Quote,
    create_warehouse,
    current_prices,
    land,
    load,
    minute,
    observe,
    query_rows,
)
from warehouse.landing.integrity import compress_frame, read_frames, write_json
from warehouse.landing.inventory import pending_landings, release
from warehouse.landing.resume import find_interrupted_run
from warehouse.rebuild import rebuild


def write_other_schema(folder: Path) -> None:
    path = folder / "0001.arrow.zst"
    head, _ = read_frames(path, may_be_torn=False)
    narrow = pl.DataFrame({"item_id": ["1"]}).to_arrow()
    page = BytesIO()
    with pa.ipc.new_stream(page, narrow.schema) as stream:
        stream.write_table(narrow)
    path.write_bytes(b"".join(compress_frame(part, level=1) for part in (head, page.getvalue())))
    end = json.loads((folder / "0001.json").read_bytes())
    write_json(folder / "0001.json", {**end, "bytes": path.stat().st_size})


def flip_bytes(folder: Path) -> None:
    path = folder / "0001.arrow.zst"
    content = bytearray(path.read_bytes())
    content[-100:-88] = b"\xff" * 12
    path.write_bytes(content)


def write_wrong_rejects(folder: Path) -> None:
    path = folder / "0001.json"
    end = json.loads(path.read_bytes())
    end["pages"][0][1]["rejects"] = [1]
    write_json(path, end)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "run": lambda folder: (folder / "run.json").write_text("{"),
    "run-binary": lambda folder: (folder / "run.json").write_bytes(b"\xff\xfe"),
    "run-fields": lambda folder: (folder / "run.json").write_text('{"run_id": "b"}'),
    "done": lambda folder: (folder / "done.json").write_text("[]"),
    "done-state": lambda folder: (folder / "done.json").write_text("{}"),
    "done-values": lambda folder: (folder / "done.json").write_text('{"state": "done", "requests": "many"}'),
    "shard": lambda folder: (folder / "0001.json").write_text("no json"),
    "rejects": write_wrong_rejects,
    "catalog": lambda folder: (folder / "items.arrow.zst").write_bytes(b"ARROW1 and then nothing"),
    "schema": write_other_schema,
    "bytes": flip_bytes,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    slow_but(
        {"run", "done-values", "catalog", "bytes"}, {name: (damage,) for name, damage in DAMAGE.items()}
    ),
)
def test_corrupt_landing_does_not_block_the_others(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    paths = create_warehouse(tmp_path)
    land(paths, "a", observe(minute(0), Quote("1"), Quote("2")))
    corrupt = land(paths, "b", observe(minute(10), Quote("2"), Quote("3")))
    land(paths, "c", observe(minute(20), Quote("1", 130), Quote("2")))
    damage(corrupt)
    reports = load(paths)

    assert [(report.run_id, report.state) for report in reports] == [
        ("a", "done"), ("c", "done"), ("b", "unreadable"),
    ]  # fmt: skip
    assert set(current_prices(paths)) == {"1", "2"}
    assert query_rows(paths, "SELECT run_id FROM runs ORDER BY run_id") == [("a",), ("c",)]
    assert (corrupt / "unreadable").read_text() == reports[2].reason
    assert query_rows(paths, "SELECT cause, subject, message FROM alerts") == [
        ("landing.unreadable", "b", reports[2].reason)
    ]
    assert load(paths) == []
    assert find_interrupted_run(paths.landing, "cs2cap", "all") is None


@pytest.mark.server  # a landing that was set aside is loaded in a process of its own
def test_quarantined_landing_loads_after_its_repair(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    corrupt = land(paths, "a", observe(minute(0), Quote()))
    original = (corrupt / "run.json").read_bytes()
    (corrupt / "run.json").write_text("{")
    load(paths)
    (corrupt / "run.json").write_bytes(original)
    assert pending_landings(paths.landing) == []
    assert release(paths.landing, ["a"]) == ["a"]
    assert [report.run_id for report in load(paths)] == ["a"]


@pytest.mark.slow
def test_rebuild_retries_quarantined_landings(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    corrupt = land(paths, "a", observe(minute(0), Quote()))
    land(paths, "b", observe(minute(5), Quote("2"), complete=False))
    original = (corrupt / "run.json").read_bytes()
    (corrupt / "run.json").write_text("{")
    load(paths)
    assert rebuild(paths, lambda: minute(600), wait=0).runs == 1
    (corrupt / "run.json").write_bytes(original)

    assert rebuild(paths, lambda: minute(700), wait=0).runs == 2
    assert set(current_prices(paths)) == {"1", "2"}
    assert not (corrupt / "unreadable").exists()

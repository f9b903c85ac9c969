"""A landing that cannot be read is set aside with the reason; the others load."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from tests.support.warehouse import Quote, home_in, land, load, look, minute, prices, rows
from warehouse.landing.arrow import FORMAT
from warehouse.landing.reader import pending_landings
from warehouse.landing.resume import find_interrupted_run
from warehouse.maintenance import rebuild


def other_schema(folder: Path) -> None:
    path = folder / "0001.arrow"
    with pa.ipc.open_stream(path) as stream:
        head = stream.schema.metadata[FORMAT]
    narrow = pl.DataFrame({"item_id": ["1"]}).to_arrow().replace_schema_metadata({FORMAT: head})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, narrow.schema) as stream:
        stream.write_table(narrow)


def flipped_bytes(folder: Path) -> None:
    path = folder / "0001.arrow"
    content = bytearray(path.read_bytes())
    middle = content.rindex(b"\x04\x22\x4d\x18")  # the head of the last compressed column
    content[middle : middle + 12] = b"\xff" * 12
    path.write_bytes(content)


def no_rejects(folder: Path) -> None:
    path = folder / "0001.json"
    end = json.loads(path.read_bytes())
    end["pages"][0][1]["rejects"] = [1]
    path.write_text(json.dumps(end))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "run": lambda folder: (folder / "run.json").write_text("{"),
    "run-binary": lambda folder: (folder / "run.json").write_bytes(b"\xff\xfe"),
    "run-fields": lambda folder: (folder / "run.json").write_text('{"run_id": "b"}'),
    "done": lambda folder: (folder / "done.json").write_text("[]"),
    "done-state": lambda folder: (folder / "done.json").write_text("{}"),
    "done-values": lambda folder: (folder / "done.json").write_text('{"state": "done", "requests": "many"}'),
    "shard": lambda folder: (folder / "0001.json").write_text("no json"),
    "rejects": no_rejects,
    "catalog": lambda folder: (folder / "items.arrow").write_bytes(b"ARROW1 and then nothing"),
    "schema": other_schema,
    "bytes": flipped_bytes,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_one_bad_landing_does_not_hold_the_others(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    home = home_in(tmp_path)
    land(home, "a", look(minute(0), Quote("1"), Quote("2")))
    bad = land(home, "b", look(minute(10), Quote("2"), Quote("3")))
    land(home, "c", look(minute(20), Quote("1", 130), Quote("2")))
    damage(bad)
    reports = load(home)

    assert [(report.run_id, report.state) for report in reports] == [
        ("a", "done"), ("c", "done"), ("b", "unreadable"),
    ]  # fmt: skip
    assert set(prices(home)) == {"1", "2"}
    assert rows(home, "SELECT run_id FROM runs ORDER BY run_id") == [("a",), ("c",)]
    assert (bad / "unreadable").read_text() == reports[2].reason
    assert rows(home, "SELECT cause, subject, message FROM alerts") == [
        ("landing.unreadable", "b", reports[2].reason)
    ]
    assert load(home) == []
    assert find_interrupted_run(home.landing, "cs2cap", "all") is None


def test_a_landing_set_aside_loads_once_it_is_mended(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    bad = land(home, "a", look(minute(0), Quote()))
    good = (bad / "run.json").read_bytes()
    (bad / "run.json").write_text("{")
    load(home)
    (bad / "run.json").write_bytes(good)
    assert pending_landings(home.landing) == []
    (bad / "unreadable").unlink()
    assert [report.run_id for report in load(home)] == ["a"]


def test_a_rebuild_tries_it_again(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    bad = land(home, "a", look(minute(0), Quote()))
    land(home, "b", look(minute(5), Quote("2"), complete=False))
    good = (bad / "run.json").read_bytes()
    (bad / "run.json").write_text("{")
    load(home)
    assert rebuild(home, lambda: minute(600), wait=0).runs == 1
    (bad / "run.json").write_bytes(good)

    assert rebuild(home, lambda: minute(700), wait=0).runs == 2
    assert set(prices(home)) == {"1", "2"}
    assert not (bad / "unreadable").exists()

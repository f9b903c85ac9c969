"""An API that makes up fields without end: a bounded number of names is kept and shown.

New: each name was kept in memory, in the landing, in the database and in a line of the output.
"""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import pytest

from common.field_counts import MAX_NAMES, OTHERS
from floorline.cli.render.runs import SHOWN_FIELDS, result_notes
from sandbox.core import Sandbox
from tests.support.backfills import points_request, run_backfill
from tests.support.relay import Edit, relay_to
from tests.support.sandboxes import MakeSandbox
from tests.support.skinshark import configure_both_sources, skinshark_basket
from tests.support.snapshots import ASIIMOV, REDLINE, Bench, basket, catalog_of

pytestmark = pytest.mark.usefixtures("no_prefect")
ROUTES = {
    "item": (basket(items=[REDLINE, ASIIMOV, *range(1, 30)], providers=["all"]), "/v1/prices"),
    "catalog": (catalog_of("steam", "buff163"), "/v1/prices"),
    "batch": (basket(items=list(range(1, 30)), providers=["all"], route="batch"), "/v1/prices/batch"),
    "stream": (catalog_of("steam", "buff163", route="stream"), "/v1/prices"),
}


def with_new_fields() -> Edit:
    """Return an edit that gives each object with a price, or each row, a field of its own name."""
    numbers = count()

    def edit(body: bytes) -> bytes:
        for name in (b'"quantity"', b'"marketHashName"'):
            first, *rest = body.split(name)
            body = first + b"".join(b'"new_%d": 1, ' % next(numbers) + name + part for part in rest)
        return body

    return edit


def check(fields: dict[str, int]) -> None:
    assert MAX_NAMES < len(fields) <= 2 * MAX_NAMES + 1
    assert fields[OTHERS] > 0


@pytest.mark.parametrize("route", ROUTES)
def test_names_of_new_fields_are_bounded(tmp_path: Path, make_sandbox: MakeSandbox, route: str) -> None:
    fields, path = ROUTES[route]
    with relay_to(make_sandbox(tier="quant").url) as relay:
        bench = Bench.create(tmp_path, {"cs2cap": relay.url}, fields)
        relay.edits[path] = with_new_fields()
        (result,) = bench.snapshot()
    assert result.state == "done"
    check(dict(result.unknown_fields))
    ((stored,),) = bench.query("SELECT unknown_fields FROM store.run")
    assert len(json.loads(stored)) <= MAX_NAMES + 1
    notes = [note for note in result_notes(result) if "new field" in note]
    assert len(notes) == SHOWN_FIELDS + 1


def test_names_of_new_fields_of_skinshark_are_bounded(tmp_path: Path, sandbox: Sandbox) -> None:
    with relay_to(sandbox.url) as relay:
        bench = configure_both_sources(tmp_path, sandbox, skinshark_basket(), base_url=relay.url)
        relay.edits["/market/prices"] = with_new_fields()
        (result,) = bench.snapshot()
    assert result.state == "done"
    check(dict(result.unknown_fields))


def test_names_of_new_fields_of_a_backfill_are_bounded(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(tier="pro")
    with relay_to(box.url) as relay:
        bench = Bench.create(tmp_path, {"cs2cap": relay.url}, source={"tier": "pro"})
        relay.edits["/v1/prices/history"] = with_new_fields()
        result = run_backfill(bench, box, points_request(1))
    assert result.state == "done"
    check(dict(result.unknown_fields))

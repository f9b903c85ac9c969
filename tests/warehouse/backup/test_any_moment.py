"""A backup at any moment of a warehouse's life: a restored warehouse goes on as if nothing had been lost."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.backups import ALERT, back_up, dump_views, lose_disk, restore
from tests.support.warehouse import Quote, create_warehouse, land, load, minute, observe
from warehouse.paths import WarehousePaths
from warehouse.state.alerts import AlertStore
from warehouse.state.database import open_state

pytestmark = pytest.mark.file_warehouse("a backup is of one machine's folder")

Step = Callable[[WarehousePaths, int], object]


def land_run(paths: WarehousePaths, number: int, *, state: str | None, items: tuple[int, ...]) -> None:
    quotes = [Quote(str(item), 100 + 7 * number) for item in items]
    land(paths, f"r{number:02}", observe(minute(number), *quotes), state=state)


def load_all(paths: WarehousePaths, _number: int) -> None:
    load(paths)


def open_alert(paths: WarehousePaths, number: int) -> None:
    AlertStore(open_state(paths)).raise_alert(ALERT, minute(number))


def close_alert(paths: WarehousePaths, number: int) -> None:
    AlertStore(open_state(paths)).resolve(ALERT.cause, ALERT.source, ALERT.subject, now=minute(number))


LANDINGS = st.builds(
    lambda state, items: partial(land_run, state=state, items=items),
    state=st.sampled_from(["done", "done", None]),
    items=st.lists(st.integers(1, 5), unique=True).map(tuple),
)
STEPS = st.lists(LANDINGS | st.sampled_from([load_all, load_all, open_alert, close_alert]), max_size=8)


def do(paths: WarehousePaths, steps: list[Step], first: int) -> None:
    """Do the steps, of which each has a number; the number of the first one is given."""
    for number, step in enumerate(steps, first):
        step(paths, number)


def outcome(paths: WarehousePaths) -> object:
    """Load everything; return what analysts see, and the alerts."""
    load(paths)
    return dump_views(paths), AlertStore(open_state(paths)).list_alerts()


@pytest.mark.slow
@settings(max_examples=5, suppress_health_check=list(HealthCheck))
@given(before=STEPS, lost=STEPS, after=STEPS)
def test_restored_warehouse_goes_on_as_if_nothing_had_been_lost(
    before: list[Step], lost: list[Step], after: list[Step]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = create_warehouse(folder / "data")
        do(paths, before, 0)
        back_up(paths, folder / "backup")
        do(paths, lost, 20)
        lose_disk(paths)
        restore(folder / "backup", paths)
        do(paths, after, 40)

        undisturbed = create_warehouse(folder / "undisturbed")
        do(undisturbed, before, 0)
        do(undisturbed, after, 40)
        assert outcome(paths) == outcome(undisturbed)

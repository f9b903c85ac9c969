"""What a load changes on its copies of small tables is in the lake after `write`, and nothing else."""

from collections import Counter
from pathlib import Path

import pytest

from common.machine_errors import UnexpectedFailure
from tests.support.lakes import create_lake
from warehouse.database import open_writer
from warehouse.lake.working_tables import FEW_ROWS, WorkingConnection
from warehouse.transactions import transaction

INSERT = "INSERT INTO store.stale_filling SELECT range % 40000 FROM range(?)"


@pytest.mark.slow
@pytest.mark.parametrize("rows", [50, FEW_ROWS + 20_000])
def test_changes_of_equal_rows_are_written(tmp_path: Path, rows: int) -> None:
    expected = Counter(number % 40_000 for number in range(rows))
    with open_writer(create_lake(tmp_path / "lake")) as db:
        db.execute(INSERT, [rows])
        with transaction(db):
            work = WorkingConnection(db)
            # Of one key some rows go and others stay, of another one all rows go, and a third one comes.
            work.execute("DELETE FROM store.stale_filling WHERE item_key IN (7, 8)")
            work.execute("INSERT INTO store.stale_filling VALUES (8), (99999)")
            work.write()
        (expected[7], expected[8], expected[99_999]) = (0, 1, 1)
        written = Counter(key for (key,) in db.execute("FROM store.stale_filling").fetchall())
        assert written == +expected


def test_a_change_that_no_copy_would_get_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(UnexpectedFailure, match="BinderException"),
        open_writer(create_lake(tmp_path / "lake")) as db,
        transaction(db),
    ):
        WorkingConnection(db).execute("TRUNCATE store.stale_filling")

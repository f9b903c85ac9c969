"""Copy the database of one machine into an empty lake, in one transaction."""

from __future__ import annotations

from pathlib import Path

from warehouse.database import open_writer, quote_path
from warehouse.lake.connection import NAME
from warehouse.lake.location import LakeLocation
from warehouse.transactions import transaction
from warehouse.transfer.tables import copy_tables

SOURCE = "exported"


def copy_into_lake(file: Path, lake: LakeLocation) -> int | None:
    """Copy an exported file into a lake; return the number of rows, or None where the lake has runs already.

    A process that is killed leaves the lake empty. Raises LoaderOvertaken where another loader took over, and
    what `open_writer` raises.
    """
    with open_writer(lake) as db:
        db.execute(f"ATTACH {quote_path(file)} AS {SOURCE} (READ_ONLY)")
        with transaction(db):
            if db.execute("FROM store.run LIMIT 1").fetchall():
                return None
            db.execute(f"USE {SOURCE}")
            try:
                return copy_tables(db, SOURCE, NAME)
            finally:
                db.execute(f"USE {NAME}")

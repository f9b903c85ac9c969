"""Keep a lake small and quick: merge files, apply what was deleted, forget old snapshots, delete old files.

Each load adds a few small files, and a file of deleted rows to each file that it changes a row of. Every
step is a commit of its own that changes no row, and can be repeated: DuckLake merges files in no transaction
that changes rows, so each step only reads the epoch before. Never by DuckLake's CHECKPOINT or `cleanup_all`:
a reader may still use a file, and a loader of another machine writes files before its commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import duckdb

from common.text import sanitize
from warehouse.lake.connection import METADATA, NAME
from warehouse.transactions import prove_epoch

KEEP_SNAPSHOTS: Final = timedelta(days=1)  # a reader of an older one ends with an error
KEEP_FILES: Final = timedelta(days=1)  # after the last snapshot that has them
KEEP_ORPHANS: Final = timedelta(days=7)  # files of no snapshot, of killed loads; far longer than any load
SMALL: Final = 8 << 20  # bytes: between nights, larger files are not merged
# Of one table, with those of deleted rows, beyond one for each SMALL of its bytes. A load that changes rows
# reads and writes the deleted rows of each file: two loads leave more files than these.
DUE_FILES: Final = 4
DELETED_SHARE: Final = 0.2  # of a file's rows, from which on the file is written anew
# The row of the epoch stays in the catalog, where each load replaces it.
NOT_FLUSHED: Final = ("loader",)
# The live files of each table, and their bytes. `ducklake_table_info` counts the deleted rows of dead
# files, too: a load that deletes the last rows of a file ends that file, and not the one of its deleted rows.
LIVE: Final = f"""
SELECT t.table_name, count(f.data_file_id) + count(d.delete_file_id) AS files,
    coalesce(sum(f.file_size_bytes), 0) AS bytes
FROM {METADATA}.ducklake_table t
LEFT JOIN {METADATA}.ducklake_data_file f ON f.table_id = t.table_id AND f.end_snapshot IS NULL
LEFT JOIN {METADATA}.ducklake_delete_file d ON d.data_file_id = f.data_file_id AND d.end_snapshot IS NULL
WHERE t.end_snapshot IS NULL
GROUP BY t.table_name
"""  # noqa: S608 - our own name
TABLES: Final = f"SELECT table_name, files FROM ({LIVE})"  # noqa: S608 - our own query
DUE_TABLES: Final = f"""
SELECT table_name FROM ({LIVE}) WHERE files - bytes // $small > $due ORDER BY ALL
"""  # noqa: S608 - our own query
FLUSH: Final = "CALL ducklake_flush_inlined_data($lake, schema_name => 'store', table_name => $table)"
REWRITE: Final = """
CALL ducklake_rewrite_data_files($lake, $table, schema => 'store', delete_threshold => $share)
"""
MERGE: Final = "CALL ducklake_merge_adjacent_files($lake, $table, schema => 'store', max_file_size => $size)"
MERGE_ALL: Final = "CALL ducklake_merge_adjacent_files($lake, $table, schema => 'store')"
EXPIRE: Final = "CALL ducklake_expire_snapshots($lake, older_than => $before)"
CLEAN_UP: Final = "CALL ducklake_cleanup_old_files($lake, older_than => $before)"
LIST_ORPHANS: Final = "CALL ducklake_delete_orphaned_files($lake, dry_run => true, older_than => $before)"
DELETE_ORPHANS: Final = "CALL ducklake_delete_orphaned_files($lake, older_than => $before)"
LIVE_FILES: Final = "SELECT data_file FROM ducklake_list_files($lake, $table, schema => 'store')"


@dataclass(frozen=True, slots=True)
class LakeMaintenance:
    """What a maintenance did: the files before and after, what it deleted, and the steps that failed."""

    files_before: int
    files_after: int
    snapshots_expired: int = 0
    files_deleted: int = 0
    orphans_deleted: int = 0
    problems: tuple[str, ...] = ()


def merge_due_files(db: duckdb.DuckDBPyConnection) -> None:
    """Apply deleted rows and merge small files of `find_due_tables`; what fails is tried after the next load.

    Call the functions under the lease of the loader. Raises LoaderOvertaken.
    """
    list(_merge_tables(db, find_due_tables(db), MERGE, {"size": SMALL}))


def find_due_tables(db: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the tables with so many small files that the next loads and questions would be slow."""
    values = {"small": SMALL, "due": DUE_FILES}
    return [table for (table,) in db.execute(DUE_TABLES, values).fetchall()]


def maintain_lake(db: duckdb.DuckDBPyConnection, now: datetime) -> LakeMaintenance:
    """Merge all files, and delete the snapshots and files that nothing needs any more; every night."""
    before = sum(count_files(db).values())
    _flush(db)
    several = sorted(table for table, files in count_files(db).items() if files > 1)
    problems = list(_merge_tables(db, several, MERGE_ALL, {}))
    expired = _run(db, EXPIRE, problems, before=now - KEEP_SNAPSHOTS)
    deleted = _run(db, CLEAN_UP, problems, before=now - KEEP_FILES)
    return LakeMaintenance(
        files_before=before,
        files_after=sum(count_files(db).values()),
        snapshots_expired=len(expired),
        files_deleted=len(deleted),
        orphans_deleted=_delete_orphans(db, now - KEEP_ORPHANS, problems),
        problems=tuple(problems),
    )


def _flush(db: duckdb.DuckDBPyConnection) -> None:
    """Write into files what small loads have put into the catalog."""
    for table in sorted(count_files(db)):
        if table not in NOT_FLUSHED:
            prove_epoch(db)
            db.execute(FLUSH, {"lake": NAME, "table": table}).fetchall()


def _merge_tables(
    db: duckdb.DuckDBPyConnection, tables: Iterable[str], merge: str, options: Mapping[str, int]
) -> Iterator[str]:
    """Rewrite and merge each table; yield what failed."""
    for table in tables:
        values = {"lake": NAME, "table": table}
        prove_epoch(db)
        try:
            db.execute(REWRITE, {**values, "share": DELETED_SHARE}).fetchall()
            db.execute(merge, {**values, **options}).fetchall()
        except (duckdb.InternalException, duckdb.InvalidInputException) as error:
            # Known of DuckLake: "expected a single output file". The table stays as it was.
            yield f"{table}: {sanitize(str(error), 200)}"


def _delete_orphans(db: duckdb.DuckDBPyConnection, before: datetime, problems: list[str]) -> int:
    """Delete the files that no snapshot has; none at all where one of them is a live file."""
    orphans = {file for (file,) in _run(db, LIST_ORPHANS, problems, before=before)}
    if not orphans:
        return 0
    live = {
        file
        for table in count_files(db)
        for (file,) in db.execute(LIVE_FILES, {"lake": NAME, "table": table}).fetchall()
    }
    if wrong := orphans & live:  # an older DuckLake once took live files for orphans
        problems.append(f"{len(wrong)} live files were taken for orphans: none was deleted")
        return 0
    return len(_run(db, DELETE_ORPHANS, problems, before=before))


def _run(
    db: duckdb.DuckDBPyConnection, call: str, problems: list[str], *, before: datetime
) -> list[tuple[Any, ...]]:
    """Return the rows of a step; where the step fails, note why: the next night tries again."""
    try:
        return db.execute(call, {"lake": NAME, "before": before}).fetchall()
    except (duckdb.IOException, duckdb.InvalidInputException) as error:
        problems.append(sanitize(str(error), 200))
        return []


def count_files(db: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Return the number of files of each table, with those of deleted rows."""
    return dict(db.execute(TABLES).fetchall())

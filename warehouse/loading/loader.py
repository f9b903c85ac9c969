"""The loader: loads landings one by one, and tries one that fails again by itself."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import duckdb

from common.warehouse_errors import LoaderOvertaken
from warehouse.database import open_writer
from warehouse.landing.inventory import Landing
from warehouse.landing.ndjson import RowParser
from warehouse.landing.reader import CorruptLanding, LandedRun, read_run
from warehouse.landing.tries import count_failure, count_try, read_tries
from warehouse.lease import IsHeld, always_held
from warehouse.loading.isolation import NotTried, load_by_itself, load_landing
from warehouse.loading.run import LoadReport
from warehouse.paths import Database

SMALL: Final = 1 << 20  # bytes of all landings
OnFailure = Callable[[CorruptLanding], object]


class Loader:
    """Loads landings into a database. Use it as a context manager, under `writer_lock`.

    `row_parser` parses raw rows that DuckDB cannot take as they are. `is_held` is what `writer_lock` yields:
    a loader that lost its lease does not open the database again. With the newest epoch of a lake, that would
    take over from the next loader.
    """

    def __init__(
        self,
        database: Database,
        now: Callable[[], datetime],
        row_parser: RowParser,
        *,
        is_held: IsHeld = always_held,
    ) -> None:
        self._database, self._now, self._row_parser = database, now, row_parser
        self._is_held = is_held
        self._connection = contextlib.ExitStack()
        self._db: duckdb.DuckDBPyConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.__exit__(kind, error, trace)

    @property
    def db(self) -> duckdb.DuckDBPyConnection:
        """The connection to the database, opened when it is needed. Raises WarehouseError."""
        if self._db is None:
            self._require_lease()
            self._db = self._connection.enter_context(open_writer(self._database))
        return self._db

    def load(self, landings: Sequence[Landing], on_failure: OnFailure) -> list[LoadReport]:
        """Load landings, in the order of observation; skip those that the database already holds.

        A landing that fails is loaded by itself after the others; so is one that ended its process before,
        and one without checksums. `on_failure` gets those that fail again. Raises WarehouseError for what is
        no landing's fault.
        """
        # With few rows, the threads wait for each other longer than they work.
        is_small = sum(map(_count_bytes, landings)) <= SMALL
        self.db.execute("SET threads = 1" if is_small else "RESET threads")
        runs, alone = self._read(landings, on_failure)
        reports = [report for run in runs for report in self._load_together(run, alone, on_failure)]
        for folder in alone:
            reports += self._load_alone(folder, on_failure)
        return reports

    def _read(self, landings: Sequence[Landing], on_failure: OnFailure) -> tuple[list[LandedRun], list[Path]]:
        """Read the landings that load together, in the order of observation; list the other folders."""
        runs, alone = [], []
        for landing in landings:
            if read_tries(landing.folder) or not landing.has_checksums:
                alone.append(landing.folder)
                continue
            try:
                runs.append(read_run(landing.folder))
            except CorruptLanding as error:
                on_failure(_count(error))
        return sorted(runs, key=lambda run: (run.observed_from, run.header.started_at)), alone

    def _load_together(
        self, run: LandedRun, alone: list[Path], on_failure: OnFailure
    ) -> Iterator[LoadReport]:
        try:
            report = self._try(run)
        except CorruptLanding as error:
            if error.may_heal:
                alone.append(run.folder)
            else:
                on_failure(error)
        else:
            if report is not None:
                yield report

    def _try(self, run: LandedRun) -> LoadReport | None:
        """Load a run. Where that fails, an error of DuckDB may have left the connection unusable: close it.

        That is a part of the try: DuckDB ends the process where an extension fails so badly.
        """
        db = self.db
        with count_try(run.folder):
            try:
                return load_landing(db, run, self._now(), row_parser=self._row_parser)
            except CorruptLanding as error:
                self._disconnect(error)
                raise

    def _load_alone(self, folder: Path, on_failure: OnFailure) -> Iterator[LoadReport]:
        if read_tries(folder).are_exhausted:
            on_failure(CorruptLanding(folder, "every process that loaded it was killed"))
            return
        self._disconnect()
        self._require_lease()
        try:
            with count_try(folder):
                report = load_by_itself(self._database, folder, self._now(), row_parser=self._row_parser)
        except NotTried as error:
            on_failure(CorruptLanding(folder, str(error), may_heal=True))
        except CorruptLanding as error:
            on_failure(_count(error))
        else:
            if report is not None:
                yield report

    def _require_lease(self) -> None:
        if not self._is_held():
            raise LoaderOvertaken("the lock of the loader was lost with its connection")

    def _disconnect(self, error: CorruptLanding | None = None) -> None:
        """Close the database, so that another process can open it; after an error as it is."""
        self._db = None
        if error is None:
            self._connection.close()
            return
        with contextlib.suppress(CorruptLanding), self._connection:
            raise error


def _count_bytes(landing: Landing) -> int:
    """Return the bytes of a landing's files; 0 where they cannot be listed, which its load reports."""
    with contextlib.suppress(OSError):
        return sum(file.lstat().st_size for file in landing.folder.iterdir())
    return 0


def _count(error: CorruptLanding) -> CorruptLanding:
    """Count a try that failed; return the error, which is final after the last try."""
    if not error.may_heal:
        return error
    try:
        tries = count_failure(error.folder)
    except CorruptLanding:  # what cannot be counted is not repeated without end
        return dataclasses.replace(error, may_heal=False)
    if not tries.are_exhausted:
        return error
    return CorruptLanding(error.folder, f"{error.reason} ({tries.failed} tries)")

"""Transactions of the loader. In a lake, each of them proves first that no other loader took over.

One loader at a time holds the lease, but a lease can be lost without a sign: a machine that was cut off or
slept goes on with a load when another one has begun. DuckLake would enter both: it has no keys that clash.
So the row of `store.loader` has the epoch, a number. A loader reads it when it opens the lake, and raises it
in its first transaction; from then on, each of its transactions writes that row. Of two loaders, the one
that raised the epoch last is the one that can commit.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Final, Protocol, cast
from weakref import WeakKeyDictionary

import duckdb

from common.warehouse_errors import LoaderOvertaken

READ_EPOCH: Final = "SELECT epoch FROM store.loader"
# Written also where the number stays: of two transactions that write one table, DuckLake refuses one.
PROVE_EPOCH: Final = "UPDATE store.loader SET epoch = ?, written_at = now() WHERE epoch = ?"
OVERTAKEN: Final = "another loader took over: this one has entered nothing more"


class WorkingTables(Protocol):
    """A connection with copies of small tables, which `write` brings back into the lake."""

    def write(self) -> None:
        """Write what differs."""


Work = Callable[[duckdb.DuckDBPyConnection], WorkingTables]


class Epoch:
    """The epoch of one loader of a lake, and whether a transaction of its connection is open.

    `work` begins the work on the copies of small tables for one load.
    """

    def __init__(self, db: duckdb.DuckDBPyConnection, work: Work) -> None:
        ((self._number,),) = db.execute(READ_EPOCH).fetchall()
        self._taken = False
        self.is_open = False
        self.work = work

    def prove(self, db: duckdb.DuckDBPyConnection) -> None:
        """Write the row of the epoch in the open transaction. Raises LoaderOvertaken where another has it."""
        epoch = self._number if self._taken else self._number + 1
        ((rows,),) = db.execute(PROVE_EPOCH, [epoch, self._number]).fetchall()
        if rows != 1:
            raise LoaderOvertaken(OVERTAKEN)

    def check(self, db: duckdb.DuckDBPyConnection) -> None:
        """Raise LoaderOvertaken where another loader has raised the epoch."""
        if db.execute(READ_EPOCH).fetchall() != [(self._number,)]:
            raise LoaderOvertaken(OVERTAKEN)

    def keep(self) -> None:
        """Remember that a transaction was committed: the epoch is this loader's."""
        if not self._taken:
            self._number, self._taken = self._number + 1, True


_epochs: WeakKeyDictionary[object, Epoch] = WeakKeyDictionary()  # by connection


def enter_epoch(db: duckdb.DuckDBPyConnection, work: Work) -> None:
    """Make the transactions of a lake's loader prove their epoch from now on."""
    _epochs[db] = Epoch(db, work)


def prove_epoch(db: duckdb.DuckDBPyConnection) -> None:
    """Raise LoaderOvertaken where another loader of the lake took over: before what can be no transaction."""
    _epochs[db].check(db)


@contextlib.contextmanager
def transaction(db: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit on a clean exit, roll back on any exception.

    In a lake, a transaction inside another one is a part of it. Raises LoaderOvertaken there.
    """
    epoch = _epochs.get(db)
    if epoch is None:
        with _plain_transaction(db):
            yield
    elif epoch.is_open:
        yield
    else:
        with _proven_transaction(db, epoch):
            yield


@contextlib.contextmanager
def whole_load(db: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield the connection for a load. In a lake, where a commit is a snapshot, all of it is one transaction.

    There, the load works on copies of the small tables. In a file, the load has a transaction for its facts
    only: what it works out before goes into temporary tables, which DuckDB reads with one thread in the
    transaction that made them.
    """
    epoch = _epochs.get(db)
    if epoch is None:
        yield db
        return
    disabled = ""
    try:
        with transaction(db):
            ((disabled,),) = db.execute("SELECT current_setting('disabled_optimizers')").fetchall()
            working = epoch.work(db)
            _epochs[working] = epoch
            yield cast("duckdb.DuckDBPyConnection", working)
            working.write()
    except BaseException:
        # An option that was set in the transaction stays so, and could not be set back before its end.
        with contextlib.suppress(duckdb.Error):  # of a connection that is lost
            db.execute(f"SET disabled_optimizers = '{disabled}'")
        raise


@contextlib.contextmanager
def _plain_transaction(db: duckdb.DuckDBPyConnection) -> Iterator[None]:
    db.begin()
    try:
        yield
        db.commit()
    except BaseException:
        with contextlib.suppress(duckdb.Error):  # a commit that failed has rolled back already
            db.rollback()
        raise


@contextlib.contextmanager
def _proven_transaction(db: duckdb.DuckDBPyConnection, epoch: Epoch) -> Iterator[None]:
    epoch.is_open = True
    try:
        with _plain_transaction(db):
            epoch.prove(db)
            yield
    except duckdb.TransactionException as error:
        if "conflict" not in str(error).lower():
            raise
        raise LoaderOvertaken(OVERTAKEN) from None
    finally:
        epoch.is_open = False
    epoch.keep()

"""LoadReport, SuspectProvider, Outlier; the transaction and the row in `runs`."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal

import duckdb

from warehouse.landing.reader import LandedRun


@dataclasses.dataclass(frozen=True, slots=True)
class Outlier:
    """A price ten times off its last value: kept, and shown. Prices are decimals in `currency`."""

    market_hash_name: str
    phase: str | None
    provider: str
    currency: str
    was: Decimal
    price: Decimal


@dataclasses.dataclass(frozen=True, slots=True)
class SuspectProvider:
    """A provider of which nothing was closed: it is down, or too much vanished at once to believe it."""

    provider: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class LoadReport:
    """What a load did with one run. `rows_changed` counts what entered the history, closings included.

    `brought` names the providers that a complete look found something at. A landing that could not be read
    was set aside: its state is `unreadable`, and `reason` says why.
    """

    run_id: str
    source: str
    basket: str
    state: str
    rows_fetched: int = 0
    rows_changed: int = 0
    rows_closed: int = 0
    rows_late: int = 0
    rows_rejected: int = 0
    outliers: tuple[Outlier, ...] = ()
    held: tuple[SuspectProvider, ...] = ()
    contract_changes: tuple[str, ...] = ()
    brought: tuple[str, ...] = ()
    reason: str | None = None
    unknown_fields: Mapping[str, int] = dataclasses.field(default_factory=dict)


@contextlib.contextmanager
def _transaction(db: duckdb.DuckDBPyConnection) -> Iterator[None]:
    db.begin()
    try:
        yield
        db.commit()
    except BaseException:
        with contextlib.suppress(duckdb.Error):  # a commit that failed has rolled back already
            db.rollback()
        raise


def _set_variables(db: duckdb.DuckDBPyConnection, run: LandedRun) -> None:
    values = {
        "run_key": _number(db, "SELECT coalesce(max(run_key), 0) + 1 FROM store.run"),
        "source": run.header.source,
        "observed_from": run.observed_from,
        "started_at": run.header.started_at,
    }
    for name, value in values.items():
        db.execute(f"SET VARIABLE {name} = ?", [value])


def _write_run(db: duckdb.DuckDBPyConnection, run: LandedRun, report: LoadReport, now: datetime) -> None:
    header, done = run.header, run.done
    fields = {
        "run_id": header.run_id,
        "flow": header.flow,
        "source": header.source,
        "basket": header.basket,
        "state": done["state"],
        "started_at": header.started_at,
        "finished_at": done.get("finished_at"),
        "loaded_at": now,
        "requests": done.get("requests", 0),
        "rows_fetched": report.rows_fetched,
        "rows_changed": report.rows_changed,
        "rows_closed": report.rows_closed,
        "rows_rejected": report.rows_rejected,
        "quota_remaining": done.get("quota_remaining"),
        "incomplete_reason": done.get("incomplete_reason"),
        "interval_seconds": header.interval_seconds,
        "unknown_fields": json.dumps(run.unknown_fields) if run.unknown_fields else None,
        "request_id": done.get("request_id"),
    }
    marks = ", ".join("?" for _ in fields)
    db.execute(
        f"INSERT INTO store.run (run_key, {', '.join(fields)}) VALUES (getvariable('run_key'), {marks})",  # noqa: S608
        list(fields.values()),
    )


def _number(db: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(db.execute(query).fetchall()[0][0])

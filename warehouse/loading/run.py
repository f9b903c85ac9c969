"""What the load of every kind of landing shares: its report, SQL steps, transaction and row in `runs`."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

import duckdb

from common.clock import MAX_CLOCK_SKEW
from common.warehouse_errors import SealedMonthUnreadable
from warehouse.landing.reader import LandedRun
from warehouse.loading.rejects import UNUSABLE, describe_rejects, final_state, usual_reject_share
from warehouse.migration import SQL
from warehouse.views.quote_states import view_states

# Too many quotes of a book that vanish at once are doubted: more than this number and this share of them.
DOUBT_ROWS: Final = 100
DOUBT_SHARE: Final = 0.3
COUNT_REFILLS: Final = "SELECT count(*) FROM refill"
FIRST_POINT: Final = "SELECT min(time) FROM store.point SEMI JOIN refill USING (item_key, provider_key)"
POSTPONE_REFILLS: Final = "INSERT INTO store.stale_filling SELECT DISTINCT item_key FROM refill"


@dataclasses.dataclass(frozen=True, slots=True)
class PriceMove:
    """A price that moved from one run to the next. Prices are in `currency`."""

    market_hash_name: str
    phase: str | None
    provider: str
    currency: str
    was: Decimal
    price: Decimal


@dataclasses.dataclass(frozen=True, slots=True)
class MarketplaceLoad:
    """What a run brought of one marketplace in one currency; `rows_changed` does not count the closed ones.

    `complete` is whether the marketplace was observed completely.
    """

    provider: str
    currency: str
    rows: int
    rows_changed: int
    rows_closed: int
    complete: bool


@dataclasses.dataclass(frozen=True, slots=True)
class SuspectProvider:
    """A provider of which no quote was closed: it is down, or too many of its quotes vanished at once."""

    provider: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class LoadReport:
    """What the load of one run did. `rows_changed` counts the new rows of the history, closures included.

    `outliers` are prices that moved by a factor of ten or more, which are loaded all the same; `moves` are
    the ten biggest moves. `held` are the providers of which nothing was closed, `brought` those with a
    complete observation that counts. The state of a landing that is set aside is `unreadable`, of one that
    is tried again `waiting`, of
    a run whose rows were all rejected `unusable`; `reason` says why. `reject_reasons` has the commonest
    reasons, and `usual_reject_share` the share of rejects in earlier runs of the basket (None where there is
    no such comparison).
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
    outliers: tuple[PriceMove, ...] = ()
    moves: tuple[PriceMove, ...] = ()
    marketplaces: tuple[MarketplaceLoad, ...] = ()
    held: tuple[SuspectProvider, ...] = ()
    contract_changes: tuple[str, ...] = ()
    brought: tuple[str, ...] = ()
    reason: str | None = None
    unknown_fields: Mapping[str, int] = dataclasses.field(default_factory=dict)
    reject_reasons: str = ""
    usual_reject_share: float | None = None

    @property
    def is_loaded(self) -> bool:
        """Whether the database holds the run."""
        return self.state not in {"unreadable", "waiting"}


def run_step(db: duckdb.DuckDBPyConnection, name: str) -> None:
    """Execute one SQL file, by its path below sql/ without the suffix."""
    db.execute(_read_step(name))


@functools.cache
def _read_step(name: str) -> str:
    return (SQL / f"{name}.sql").read_text()


def fill_gaps(db: duckdb.DuckDBPyConnection) -> None:
    """Fill the coverage gaps of the quotes in refill.

    Where the file of a sealed month is missing that this needs, a later load fills them.
    """
    if not fetch_count(db, COUNT_REFILLS):
        return
    ((since,),) = db.execute(FIRST_POINT).fetchall()
    try:
        view_states(db, since)
    except SealedMonthUnreadable:
        db.execute(POSTPONE_REFILLS)
    else:
        run_step(db, "load/fill_gaps")


def judge_rejects(db: duckdb.DuckDBPyConnection, run: LandedRun, report: LoadReport) -> LoadReport:
    """Return the report with what the table `reject` says about the run."""
    if not report.rows_rejected:
        return report
    reasons = describe_rejects(db)
    state = final_state(run, fetched=report.rows_fetched, rejected=report.rows_rejected)
    return dataclasses.replace(
        report,
        state=state,
        reason=f"every row was rejected: {reasons}" if state == UNUSABLE else None,
        reject_reasons=reasons,
        usual_reject_share=usual_reject_share(db, run),
    )


def holds_run(db: duckdb.DuckDBPyConnection, run: LandedRun) -> bool:
    """Return whether the database holds a run already."""
    return bool(db.execute("SELECT 1 FROM store.run WHERE run_id = ?", [run.header.run_id]).fetchall())


def fetch_count(db: duckdb.DuckDBPyConnection, query: str) -> int:
    """Return the one number that a query selects."""
    return int(db.execute(query).fetchall()[0][0])


def set_variables(db: duckdb.DuckDBPyConnection, run: LandedRun) -> None:
    """Set the SQL variables that the steps read: what the run is, and the constants of the load."""
    values = {
        "run_key": fetch_count(db, "SELECT coalesce(max(run_key), 0) + 1 FROM store.run"),
        "run_id": run.header.run_id,
        "flow": run.header.flow,
        "source": run.header.source,
        "started_at": run.header.started_at,
        "observed_from": run.observed_from,
        "observed_to": run.observed_to,
        "latest_timestamp": run.landed_to + MAX_CLOCK_SKEW,
        "doubt_rows": DOUBT_ROWS,
        "doubt_share": DOUBT_SHARE,
    }
    for name, value in values.items():
        db.execute(f"SET VARIABLE {name} = ?", [value])
    db.execute("SET VARIABLE interval_seconds = ?::INTEGER", [run.header.interval_seconds])


def insert_run(db: duckdb.DuckDBPyConnection, run: LandedRun, report: LoadReport, *, now: datetime) -> None:
    """Insert the run into store.run, loaded at `now`."""
    optional = ("finished_at", "quota_remaining", "request_id")
    row = {
        **dataclasses.asdict(run.header),
        **{name: run.done.get(name) for name in optional},
        "state": report.state,
        "incomplete_reason": report.reason or run.done.get("incomplete_reason"),
        "loaded_at": now,
        "requests": run.done.get("requests", 0),
        "rows_fetched": report.rows_fetched,
        "rows_changed": report.rows_changed,
        "rows_closed": report.rows_closed,
        "rows_rejected": report.rows_rejected,
        "unknown_fields": json.dumps(run.unknown_fields) if run.unknown_fields else None,
    }
    placeholders = ", ".join("?" for _ in row)
    db.execute(
        f"INSERT INTO store.run (run_key, {', '.join(row)})"  # noqa: S608 - our own column names
        f" VALUES (getvariable('run_key'), {placeholders})",
        list(row.values()),
    )

"""Decide which runs close nothing in a book, because too many of its quotes vanished at once."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, Self

import duckdb
import polars as pl

from warehouse.loading.late_quotes import LateQuote
from warehouse.loading.staging import stage_frame
from warehouse.loading.timeline import is_doubtful

RUN_SCHEMA: Final[dict[str, Any]] = {
    "run_key": pl.Int32, "book_key": pl.Int32, "missing": pl.Int64, "returned": pl.Int64, "held": pl.Boolean,
}  # fmt: skip
SELECT_COUNTS: Final = """
WITH returned AS (
    SELECT book_key, run_key, sum(len(item_keys)) AS rows FROM known_items
    SEMI JOIN late_check USING (book_key, run_key) GROUP BY ALL
    UNION ALL
    SELECT book_key, getvariable('run_key'), sum(len(item_keys)) FROM observed_item GROUP BY ALL
), missing AS (
    FROM store.missing_count
    UNION ALL
    SELECT getvariable('run_key'), book_key, missing, returned FROM missing_count
)
SELECT c.book_key, c.run_key, max(c.observed_to), bool_or(c.held), coalesce(any_value(m.missing), 0),
    coalesce(any_value(b.rows), 0)::BIGINT
FROM late_check c
LEFT JOIN missing m USING (book_key, run_key)
LEFT JOIN returned b USING (book_key, run_key)
GROUP BY ALL
"""
# The counts of the run that is loaded go into the table of its own.
UPDATE_OWN_COUNTS: Final = """
DELETE FROM missing_count
WHERE book_key IN (SELECT book_key FROM recomputed_run WHERE run_key = getvariable('run_key'));
INSERT INTO missing_count
SELECT book_key, missing, returned FROM recomputed_run WHERE run_key = getvariable('run_key');
DELETE FROM recomputed_run WHERE run_key = getvariable('run_key');
"""
BookRun = tuple[int, int]  # book_key and run_key


@dataclasses.dataclass(slots=True)
class Verdicts:
    """The complete observations of late quotes, by book and run.

    `held` has the runs that close nothing, by book; `ended_at` the end of an observation; `missing` and
    `returned` count what it lacked and returned, `others` what it lacked without the quotes that were left
    out. `changed` has those whose count or verdict is another one now.
    """

    held: defaultdict[int, set[int]]
    ended_at: dict[BookRun, datetime]
    missing: dict[BookRun, int]
    returned: dict[BookRun, int]
    others: dict[BookRun, int]
    changed: set[BookRun]

    @classmethod
    def read(cls, db: duckdb.DuckDBPyConnection) -> Self:
        """Read the stored verdicts and counts, and those of the run that is loaded."""
        verdicts = cls(defaultdict(set), {}, {}, {}, {}, set())
        for book, run, ended_at, held, missing, returned in db.execute(SELECT_COUNTS).fetchall():
            verdicts.ended_at[book, run] = ended_at
            verdicts.missing[book, run], verdicts.returned[book, run] = missing, returned
            if held:
                verdicts.held[book].add(run)
        verdicts.others |= verdicts.missing
        return verdicts

    def leave_out(self, quotes: Iterable[LateQuote], run_key: int) -> None:
        """Leave quotes out of the stored counts, as they were before the run `run_key`."""
        for key, count in self._count_missing(quotes, without=run_key).items():
            self.others[key] = self.missing[key] - count

    def decide(self, quotes: Iterable[LateQuote]) -> bool:
        """Reach the verdicts that fit the quotes that were left out; return whether any is another one now.

        A verdict decides what is still listed for the next run: the earliest wrong one is corrected first.
        """
        flipped = False
        before = dict(self.missing)
        for _ in range(2 * len(self.ended_at) + 1):
            counts = self._count_missing(quotes)
            self.missing = {key: count + counts[key] for key, count in self.others.items()}
            wrong = [key for key in self.missing if self._is_wrong(*key)]
            if not wrong:
                break
            book, run = min(wrong, key=lambda key: (self.ended_at[key], key))
            self.held[book] ^= {run}
            self.changed.add((book, run))
            flipped = True
        self.changed |= {key for key, count in before.items() if self.missing[key] != count}
        return flipped

    def _is_wrong(self, book: int, run: int) -> bool:
        return is_doubtful(self.missing[book, run], self.returned[book, run]) != (run in self.held[book])

    def _count_missing(self, quotes: Iterable[LateQuote], without: int | None = None) -> Counter[BookRun]:
        return Counter(
            (quote.book_key, run)
            for quote in quotes
            for run in quote.compute_timeline(self.held, without=without).missing_in
        )

    def write(self, db: duckdb.DuckDBPyConnection) -> None:
        """Create recomputed_run with what changed for other runs; update missing_count for this run."""
        rows = [
            (run, book, self.missing[book, run], self.returned[book, run], run in self.held[book])
            for book, run in self.changed
        ]
        stage_frame(db, "recomputed_run", pl.DataFrame(rows, schema=RUN_SCHEMA, orient="row"))
        db.execute(UPDATE_OWN_COUNTS)

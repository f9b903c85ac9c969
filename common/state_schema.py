"""The tables of `state.db`, and a second copy of each row: SQLite has no checksums.

A flipped bit in a row would be read as truth. Triggers keep, in `row_copy`, each row of the other tables as a
text of SQL literals. A row that differs from its copy was damaged: it cannot be updated, and is not brought
back into a new file. The rows of `slot`, `stream_start` and `feed_slot` have no copy: they are short-lived,
and the source reports what they count.
"""

# ruff: noqa: S608 - the names in the SQL are those of this module
from __future__ import annotations

import sqlite3
from functools import cache
from typing import Final, NamedTuple

# Floorline before version 1 created the same tables and left `user_version` at 0.
SCHEMA_VERSION: Final = 5
# Who has one of the connections to feeds that a key may have, until when: Unix seconds.
FEED_SLOT: Final = """
CREATE TABLE IF NOT EXISTS feed_slot (
    key_print TEXT NOT NULL, holder TEXT NOT NULL, until REAL NOT NULL, PRIMARY KEY (key_print, holder)
);
"""
SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS alert (
    alert_id INTEGER PRIMARY KEY,
    cause TEXT NOT NULL, source TEXT NOT NULL, subject TEXT NOT NULL,
    code TEXT, message TEXT NOT NULL, guidance TEXT, run_id TEXT,
    opened_at TEXT NOT NULL, last_at TEXT NOT NULL, repeats INTEGER NOT NULL, closed_at TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS one_open_alert ON alert (cause, source, subject) WHERE closed_at IS NULL;
-- When a channel delivered the opening and the closing of an alert; claimed_at: a process is delivering now.
CREATE TABLE IF NOT EXISTS telling (
    alert_id INTEGER NOT NULL, channel TEXT NOT NULL,
    opening_told TEXT, closing_told TEXT, claimed_at TEXT,
    PRIMARY KEY (alert_id, channel)
);
-- When a test message reached a channel last.
CREATE TABLE IF NOT EXISTS channel_trial (channel TEXT PRIMARY KEY, delivered_at TEXT NOT NULL);
-- A scheduled snapshot that took nothing. outcome: skipped or cancelled.
CREATE TABLE IF NOT EXISTS missed_tick (
    basket TEXT NOT NULL, due_at TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (basket, due_at)
);
-- A source's rejection of the key with the fingerprint key_print; asked_at: the last request with this key.
CREATE TABLE IF NOT EXISTS rejection (
    source TEXT PRIMARY KEY, key_print TEXT NOT NULL, kind TEXT NOT NULL, code TEXT NOT NULL, status INTEGER,
    detail TEXT NOT NULL, asked_at TEXT NOT NULL
);

-- at_least, at_most: the planned requests; holder: the process that ran the backfill last.
CREATE TABLE IF NOT EXISTS backfill (
    backfill_id TEXT PRIMARY KEY, digest TEXT NOT NULL, series TEXT NOT NULL, source TEXT NOT NULL,
    request TEXT NOT NULL, at_least INTEGER NOT NULL, at_most INTEGER,
    state TEXT NOT NULL, reason TEXT, holder TEXT, created_at TEXT NOT NULL, updated_at TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS one_open_backfill ON backfill (digest)
    WHERE state NOT IN ('done', 'cancelled');
-- A shard and its checkpoint. walk_end: the end of the extraction under way; page: number of the next page;
-- oldest: the time of the oldest landed row; settled_to: rows before this time change no more.
CREATE TABLE IF NOT EXISTS backfill_shard (
    backfill_id TEXT NOT NULL, number INTEGER NOT NULL,
    item_id TEXT, market_hash_name TEXT, phase TEXT, provider TEXT, currency TEXT NOT NULL, interval TEXT,
    start_at TEXT NOT NULL, end_at TEXT NOT NULL, lookback INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting', walk_end TEXT NOT NULL, cursor TEXT,
    page INTEGER NOT NULL DEFAULT 0, rows INTEGER NOT NULL DEFAULT 0, requests INTEGER NOT NULL DEFAULT 0,
    oldest TEXT, settled_to TEXT, reason TEXT,
    PRIMARY KEY (backfill_id, number)
) WITHOUT ROWID;

-- The rate limit and month of a key. held_at, held_until: a pause; told_at: when the source reported it.
-- held_at, held_until and free_at are monotonic seconds.
CREATE TABLE IF NOT EXISTS budget (
    key_print TEXT PRIMARY KEY, source TEXT NOT NULL, per_minute INTEGER,
    held_at REAL NOT NULL DEFAULT 0, held_until REAL NOT NULL DEFAULT 0,
    used INTEGER NOT NULL DEFAULT 0, per_month INTEGER, resets_at TEXT, told_at TEXT
);
-- Until when (UTC) the source asked to send nothing with a key, where that is longer than a run waits.
CREATE TABLE IF NOT EXISTS hold (key_print TEXT PRIMARY KEY, source TEXT NOT NULL, until TEXT NOT NULL);
-- A queued request, or a batch of sent requests, that counts until free_at; metered: requests of the month.
-- AUTOINCREMENT: tickets are never used twice, so that they show the order of arrival.
CREATE TABLE IF NOT EXISTS slot (
    ticket INTEGER PRIMARY KEY AUTOINCREMENT, key_print TEXT NOT NULL,
    cost INTEGER NOT NULL, metered INTEGER NOT NULL, sent INTEGER NOT NULL, free_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS slot_of_key ON slot (key_print);
-- at: Unix seconds; starts: how many are allowed in 24 hours.
CREATE TABLE IF NOT EXISTS stream_start (key_print TEXT NOT NULL, route TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS stream_limit (
    key_print TEXT NOT NULL, route TEXT NOT NULL, starts INTEGER NOT NULL, PRIMARY KEY (key_print, route)
);
{FEED_SLOT}"""
COPIES: Final = """
CREATE TABLE IF NOT EXISTS row_copy (
    table_name TEXT NOT NULL, key TEXT NOT NULL, content TEXT NOT NULL, PRIMARY KEY (table_name, key)
) WITHOUT ROWID;
"""
# The version has a copy, too: that of a damaged file is neither old nor new.
VERSION: Final = f"""
INSERT OR REPLACE INTO row_copy VALUES ('', 'version', '{SCHEMA_VERSION:d}');
PRAGMA user_version = {SCHEMA_VERSION:d};
"""
UNCOPIED: Final = frozenset({"slot", "stream_start", "feed_slot"})


class CopiedTable(NamedTuple):
    """A table whose rows have copies: its name, its columns, those of its primary key, and those of REALs."""

    name: str
    columns: tuple[str, ...]
    keys: tuple[str, ...]
    reals: frozenset[str]

    def key(self, row: str) -> str:
        """Return the SQL of the key of `row` (NEW, OLD or the alias of a table)."""
        return self._literals(row, self.keys)

    def content(self, row: str) -> str:
        """Return the SQL of the content of `row`."""
        return self._literals(row, self.columns)

    def _literals(self, row: str, columns: tuple[str, ...]) -> str:
        # Versions of SQLite write a REAL with more or fewer digits: its thousandths are an integer.
        values = (
            f"CAST({row}.{column} * 1000 AS INTEGER)" if column in self.reals else f"{row}.{column}"
            for column in columns
        )
        return " || ',' || ".join(f"quote({value})" for value in values)

    def copy_rows(self) -> str:
        """Return the statements that copy every row."""
        return f"""
            DELETE FROM row_copy WHERE table_name = '{self.name}';
            INSERT INTO row_copy
            SELECT '{self.name}', {self.key(self.name)}, {self.content(self.name)} FROM {self.name};
        """

    def create_triggers(self) -> str:
        """Return the statements that go on copying each row that changes, and guard it."""
        name = self.name
        delete = f"DELETE FROM row_copy WHERE table_name = '{name}' AND key = {self.key('OLD')};"
        insert = f"INSERT INTO row_copy VALUES ('{name}', {self.key('NEW')}, {self.content('NEW')});"
        copy = f"SELECT content FROM row_copy WHERE table_name = '{name}' AND key = {self.key('OLD')}"
        return f"""
            DROP TRIGGER IF EXISTS insert_{name};
            DROP TRIGGER IF EXISTS update_{name};
            DROP TRIGGER IF EXISTS delete_{name};
            DROP TRIGGER IF EXISTS check_{name};
            CREATE TRIGGER insert_{name} AFTER INSERT ON {name} BEGIN
                {delete.replace("OLD.", "NEW.")} {insert} END;
            CREATE TRIGGER update_{name} AFTER UPDATE ON {name} BEGIN {delete} {insert} END;
            CREATE TRIGGER delete_{name} AFTER DELETE ON {name} BEGIN {delete} END;
            CREATE TRIGGER check_{name} BEFORE UPDATE ON {name}
                WHEN {self.content("OLD")} IS NOT ({copy})
                BEGIN SELECT RAISE(ABORT, 'a row of {name} is not what was written'); END;
        """

    def whole_rows(self) -> str:
        """Return the query of the rows that equal their copies: the key, then the columns."""
        return f"""SELECT {self.key("r")}, r.* FROM {self.name} r JOIN row_copy c
            ON c.table_name = '{self.name}' AND c.key = {self.key("r")} AND c.content = {self.content("r")}"""

    def damaged_keys(self) -> str:
        """Return the query of the keys of rows without their copies, and of copies without their rows."""
        return f"""SELECT {self.key("r")} FROM {self.name} r LEFT JOIN row_copy c
            ON c.table_name = '{self.name}' AND c.key = {self.key("r")}
            WHERE c.content IS NOT {self.content("r")}
            UNION SELECT key FROM row_copy WHERE table_name = '{self.name}'
                AND key NOT IN (SELECT {self.key("r")} FROM {self.name} r)"""


@cache
def copied_tables() -> tuple[CopiedTable, ...]:
    """Return the tables whose rows have copies."""
    db = sqlite3.connect(":memory:")
    try:
        db.executescript(SCHEMA)
        names = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        return tuple(_describe(db, name) for (name,) in names.fetchall() if name not in UNCOPIED)
    finally:
        db.close()


def _describe(db: sqlite3.Connection, name: str) -> CopiedTable:
    columns = db.execute("SELECT name, type, pk FROM pragma_table_info(?)", (name,)).fetchall()
    keys = tuple(column for column, _, pk in sorted(columns, key=lambda column: column[2]) if pk)
    reals = frozenset(column for column, kind, _ in columns if kind == "REAL")
    return CopiedTable(name, tuple(column for column, *_ in columns), keys, reals)


@cache
def create_statements() -> str:
    """Return the script that creates what is missing, in one transaction."""
    copies = "".join(table.copy_rows() + table.create_triggers() for table in copied_tables())
    return f"BEGIN IMMEDIATE; {SCHEMA} {COPIES} {copies} {VERSION} COMMIT;"

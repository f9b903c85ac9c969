"""Read every public name of a database file in every way to open it.

Other versions of DuckDB run this file as a script: it imports DuckDB alone. The script writes JSON.

    python attached_reader.py OPEN OTHER NAME ...
"""

import json
import sys

import duckdb

VIEWS = """
SELECT view_name FROM duckdb_views() WHERE database_name = ? AND schema_name = 'main' AND NOT internal
"""
# The macros, with arguments that give them rows.
MACROS = {
    "quote_history_since": "'2026-06-01 14:00:00Z'",
    "quotes_as_of": "'2026-06-01 14:00:00Z'",
    "quotes_in": "'EUR'",
    "best_spreads_at": "['steam', 'buff163'], NULL",
    "movers": "'1 hour'",
    "price_vs_median": "3",
    "daily_ohlc_between": "'2026-06-01', '2026-06-01'",
    "best_ask_daily_ohlc_between": "'2026-06-01', '2026-06-01'",
}
Rows = dict[str, list[list[str]]]


def quote_name(name: str) -> str:
    """Return a name as SQL spells it."""
    return '"' + name.replace('"', '""') + '"'


def connect(path: str = ":memory:") -> duckdb.DuckDBPyConnection:
    """Open a file read-only in UTC, or a database in memory."""
    db = duckdb.connect(path, read_only=path != ":memory:")
    db.execute("SET TimeZone = 'UTC'")
    return db


def read_names(db: duckdb.DuckDBPyConnection, database: str, prefix: str = "", argument: str = "") -> Rows:
    """Return the rows, as text, of every view and macro of a database, called as `prefix` + name."""
    views = db.execute(VIEWS, [database]).fetchall()
    sources = {view: f"{prefix}{view}" for (view,) in views}
    for macro, values in MACROS.items():
        sources[macro] = f"{prefix}{macro}({values}{argument})"
    return {name: read_rows(db, source) for name, source in sources.items()}


def read_rows(db: duckdb.DuckDBPyConnection, source: str) -> list[list[str]]:
    """Return the rows of a view as text, in a fixed order."""
    rows = db.execute(f"SELECT COLUMNS(*)::VARCHAR FROM {source} ORDER BY ALL").fetchall()
    return [list(row) for row in rows]


def read_attached(main: str, other: str, name: str) -> dict[str, Rows]:
    """Return the rows of a file that is attached beside the file `main`: by its name, and while in use."""
    path, argument = other.replace("'", "''"), name.replace("'", "''")
    with connect(main) as db:
        db.execute(f"ATTACH '{path}' AS {quote_name(name)} (READ_ONLY)")
        attached = read_names(db, name, f"{quote_name(name)}.", f", '{argument}'")
        db.execute(f"USE {quote_name(name)}")
        return {"attached": attached, "in use": read_names(db, name)}


def refused_macros(main: str, other: str, *, search_both: bool = False) -> dict[str, str]:
    """Return what DuckDB says to a macro of an attached file that is called without the database's name.

    `search_both`: both databases are in the search path.
    """
    said = {}
    with connect(main) as db:
        db.execute(f"ATTACH '{other}' AS other (READ_ONLY)")
        if search_both:
            (database,) = db.execute("SELECT current_database()").fetchall()[0]
            db.execute(f"SET search_path = '{database},other'")
        for macro, values in MACROS.items():
            try:
                rows = read_rows(db, f"other.{macro}({values})")
                said[macro] = f"no error: {rows}"
            except duckdb.Error as error:
                said[macro] = str(error)
    return said


def main() -> None:
    """Write the rows of OTHER: opened by itself, and attached to OPEN and to a database in memory."""
    opened, other, *names = sys.argv[1:]
    attached = {
        f"{main} {name}": read_attached(main, other, name) for main in (opened, ":memory:") for name in names
    }
    refused = {main: refused_macros(main, other) for main in (opened, ":memory:")}
    refused["both"] = refused_macros(opened, other, search_both=True)
    with connect(other) as db:
        (database,) = db.execute("SELECT current_database()").fetchall()[0]
        direct = read_names(db, database)
    result = {"version": duckdb.__version__, "direct": direct, "attached": attached, "refused": refused}
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main()

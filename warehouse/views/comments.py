"""Comment on the public views and macros, and on every column of theirs, with the texts of `sql/comments`.

`COMMENT ON COLUMN` in these files may also name a column of a table macro. DuckDB keeps no comments of such
columns: they become lines of the macro's own comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import duckdb

from common.sql_text import quote_text

STATEMENT: Final = re.compile(
    r"^COMMENT ON (?P<kind>VIEW|MACRO TABLE|COLUMN) (?P<owner>\w+)(\.(?P<column>\w+))?"
    r" IS '(?P<text>([^']|'')*)';",
    re.MULTILINE,
)
EXAMPLE: Final = "\n\nExample: "
COLUMNS: Final = """
SELECT table_name, column_name FROM duckdb_columns()
WHERE database_name = current_database() AND schema_name = 'main'
    AND table_name IN (SELECT view_name FROM duckdb_views() WHERE NOT internal)
ORDER BY table_name, column_index
"""


@dataclass(slots=True)
class Comments:
    """The comments of a database: of views and macros by name, and of columns by (name, column)."""

    views: dict[str, str] = field(default_factory=dict)
    macros: dict[str, str] = field(default_factory=dict)
    columns: dict[tuple[str, str], str] = field(default_factory=dict)
    shared: dict[str, str] = field(default_factory=dict)

    def of_column(self, owner: str, column: str) -> str:
        """Return the comment of a column: its own, else the first one of a column of its name, else ''.

        A macro has the columns of the view that its name begins with, as in `daily_ohlc_between`.
        """
        own = self.columns.get((owner, column))
        if own is None and owner in self.macros:
            views = [view for view in self.views if owner.startswith(f"{view}_")]
            own = self.columns.get((max(views, key=len, default=owner), column))
        return own or self.shared.get(column, "")

    def on_views(self, connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
        """Yield the statements for the views of a database and their columns."""
        for view, text in self.views.items():
            yield f"COMMENT ON VIEW {view} IS {quote_text(text)}"
        for view, column in connection.execute(COLUMNS).fetchall():
            yield f'COMMENT ON COLUMN {view}."{column}" IS {quote_text(self.of_column(view, column))}'

    def on_macros(self) -> Iterator[str]:
        """Yield the statements for the table macros: creating a macro again drops its comment."""
        for macro, text in self.macros.items():
            own = [f"`{name}`: {said}" for (owner, name), said in self.columns.items() if owner == macro]
            description, example = text.split(EXAMPLE)
            whole = "\n\n".join([description, *(["\n".join(own)] if own else [])]) + EXAMPLE + example
            yield f"COMMENT ON MACRO TABLE {macro} IS {quote_text(whole)}"


def read_comments(sql: str) -> Comments:
    """Return the comments in the SQL of the files of `sql/comments`, in their order."""
    comments = Comments()
    for statement in STATEMENT.finditer(sql):
        owner, column = statement["owner"], statement["column"]
        text = statement["text"].replace("''", "'").strip()
        if statement["kind"] == "COLUMN":
            line = " ".join(text.split())
            comments.columns[owner, column] = line
            comments.shared.setdefault(column, line)
        elif statement["kind"] == "VIEW":
            comments.views[owner] = text
        else:
            comments.macros[owner] = text
    return comments

"""docs/warehouse.md lists the columns and types of every view."""

import re
from pathlib import Path

from tests.support.warehouse import load_into_memory

DOCS = Path(__file__).parents[3] / "docs" / "warehouse.md"
TYPE_ALIASES = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}


def documented_columns() -> dict[str, list[tuple[str, str]]]:
    """Return the (column, type) pairs of each documented view or table macro."""
    sections = re.split(r"^### `(.+)`$", DOCS.read_text("utf-8"), flags=re.MULTILINE)[1:]
    row = re.compile(r"^\| `(\w+)` \| ([^|]+) \|", re.MULTILINE)
    return {name: row.findall(text) for name, text in zip(sections[::2], sections[1::2], strict=True)}


def test_every_view_is_documented_with_its_columns_and_types() -> None:
    documented = documented_columns()
    with load_into_memory([]) as db:
        views = db.execute("SELECT view_name FROM duckdb_views() WHERE schema_name = 'main' AND NOT internal")
        assert {name for (name,) in views.fetchall()} == {name for name in documented if "(" not in name}
        for name, columns in documented.items():
            described = db.execute(f"DESCRIBE FROM {name}").fetchall()
            assert [(column, TYPE_ALIASES.get(kind, kind)) for column, kind, *_ in described] == columns, name

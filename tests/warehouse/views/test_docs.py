"""docs/warehouse.md says of every view which columns it has, and of what type."""

import re
from pathlib import Path

from tests.support.warehouse import load_into_memory

DOCS = Path(__file__).parents[3] / "docs" / "warehouse.md"
SHORT = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}


def documented() -> dict[str, list[tuple[str, str]]]:
    """The (column, type) pairs by what is asked for."""
    sections = re.split(r"^### `(.+)`$", DOCS.read_text("utf-8"), flags=re.MULTILINE)[1:]
    row = re.compile(r"^\| `(\w+)` \| ([^|]+) \|", re.MULTILINE)
    return {name: row.findall(text) for name, text in zip(sections[::2], sections[1::2], strict=True)}


def test_every_view_is_described_as_it_is() -> None:
    told = documented()
    with load_into_memory([]) as db:
        views = db.execute("SELECT view_name FROM duckdb_views() WHERE schema_name = 'main' AND NOT internal")
        assert {name for (name,) in views.fetchall()} == {name for name in told if "(" not in name}
        for name, columns in told.items():
            held = db.execute(f"DESCRIBE FROM {name}").fetchall()
            assert [(column, SHORT.get(kind, kind)) for column, kind, *_ in held] == columns, name

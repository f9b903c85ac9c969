"""The result of a query as text, CSV or JSON, which DuckDB itself writes.

Python has no type for months, nanoseconds, infinite times and years after 9999: its values would be wrong.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, Literal

from duckdb import DuckDBPyRelation

from common.errors import ConfigError
from common.text import FORMULA, sanitize
from warehouse.queries.json_expression import INTEGERS, as_text, identifier, json_object

if TYPE_CHECKING:
    import polars as pl

CSV_BATCH: Final = 50_000  # rows
NUMBER: Final = r"^[+-]?\d+(?:\.\d+)?$"  # a text such as -5, the beginning of no formula
Kind = Literal["decimal", "number", "text", "binary", "exact"]
NUMBERS: Final = INTEGERS | {"float", "double"}
TEXTS: Final = frozenset(
    ("varchar", "enum", "list", "array", "struct", "map", "union", "variant", "geometry")
)


@dataclasses.dataclass(frozen=True, slots=True)
class QueryOutput:
    """The result of one statement; its columns have unique names, times are UTC.

    Each method that returns values runs the query, and raises `duckdb.Error` where DuckDB fails.
    """

    relation: DuckDBPyRelation
    is_plan: bool = False  # the result of EXPLAIN

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self.relation.columns)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What each column holds: decimals, other numbers, texts or nested values, bytes, exact values."""
        return tuple(kind_of(column.id) for column in self.relation.types)

    def select(self, columns: Sequence[str]) -> QueryOutput:
        """Return the result with only these columns. Raises ConfigError for a name that it does not have."""
        names = {name.lower(): name for name in self.columns}
        for column in columns:
            if column.lower() not in names:
                known = sanitize(", ".join(self.columns), 1000)
                raise ConfigError(f"the result has no column `{sanitize(column)}`; its columns are {known}")
        chosen = ", ".join(identifier(names[column.lower()]) for column in columns)
        return dataclasses.replace(self, relation=self.relation.project(chosen))

    def texts(self) -> list[tuple[str | None, ...]]:
        """Return the rows, each value whole and in SQL's spelling; a null is None."""
        return self._as_texts().fetchall()

    def csv(self) -> Iterator[str]:
        """Yield the result as CSV with LF line ends, in parts; a null is empty, an empty text is quoted.

        A text that a spreadsheet would take for a formula begins with an apostrophe.
        """
        import polars as pl

        heading = pl.DataFrame([self.columns], orient="row")
        names = [_csv_field(pl.col(name), guarded=True) for name in heading.columns]
        yield heading.select(names).write_csv(include_header=False, quote_style="never")
        texts = [name for name, kind in zip(self.columns, self.kinds, strict=True) if kind == "text"]
        fields = [_csv_field(pl.col(name), guarded=name in texts) for name in self.columns]
        for batch in self._as_texts().to_arrow_reader(CSV_BATCH):
            yield pl.DataFrame(batch).select(fields).write_csv(include_header=False, quote_style="never")

    def json(self) -> list[str]:
        """Return each row as a JSON object.

        Decimals are texts, because most JSON readers round numbers; NaN and infinity are null; times are in
        ISO 8601; lists, structs and maps are nested; any other type is a text in SQL's spelling.
        """
        row = json_object(dict(zip(self.columns, self.relation.types, strict=True)))
        return [text for (text,) in self.relation.project(f"{row}::VARCHAR").fetchall()]

    def _as_texts(self) -> DuckDBPyRelation:
        """Return the relation with every value as text."""
        columns = zip(map(identifier, self.columns), self.relation.types, strict=True)
        return self.relation.project(", ".join(f"{as_text(name, kind)} AS {name}" for name, kind in columns))


def _csv_field(text: pl.Expr, *, guarded: bool) -> pl.Expr:
    """Return a field of a CSV; `guarded`: with an apostrophe before a text that looks like a formula.

    Quotation marks stand around every separator that a spreadsheet may expect: what follows the separator
    would else be a cell of its own.
    """
    import polars as pl

    if guarded:
        is_formula = text.str.contains(f"^(?:{FORMULA.pattern})") & ~text.str.contains(NUMBER)
        text = pl.when(~is_formula).then(text).otherwise(pl.concat_str(pl.lit("'"), text))
    quoted = pl.concat_str(pl.lit('"'), text.str.replace_all('"', '""', literal=True), pl.lit('"'))
    return pl.when(~text.str.contains(r'[",;\t\r\n]|^$')).then(text).otherwise(quoted)


def kind_of(type_id: str) -> Kind:
    """Return what a column of a type of DuckDB holds."""
    if type_id == "decimal":
        return "decimal"
    if type_id in NUMBERS:
        return "number"
    if type_id == "blob":
        return "binary"
    return "text" if type_id in TEXTS else "exact"

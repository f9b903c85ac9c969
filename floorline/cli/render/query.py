"""Print the results of queries: as tables, as JSON or as CSV."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, Literal

from common.text import escape, reveal
from floorline.cli.json_output import print_result_text
from floorline.console import escape_json, print_columns, print_line
from floorline.table import Column

if TYPE_CHECKING:
    from warehouse.queries.output import Kind, QueryOutput

Form = Literal["table", "json", "csv"]
ITEM_COLUMNS: Final = ("item", "market_hash_name")
# What a number is about: first where it was seen, and after the numbers what else tells two rows apart.
PLACE: Final = "provider"
DISTINCTIONS: Final = ("currency", "phase")
LEAST_DECIMALS: Final = 2
OTHERS: Final = "--columns, --json, --csv show the others"


def print_results(
    results: Iterable[QueryOutput],
    *,
    command: str = "query",
    form: Form,
    columns: Sequence[str] = (),
    others: str = OTHERS,
) -> None:
    """Print each result of `command`, with these columns or all; an empty line stands between two results.

    `others` says how to see the columns that do not fit into a table. The JSON of one result is the array of
    its rows; of several results, the array of these arrays.
    """
    chosen = (result.select(columns) if columns else result for result in results)
    if form == "json":
        arrays = [json_array(result.json()) for result in chosen]
        print_result_text(command, arrays[0] if len(arrays) == 1 else json_array(arrays))
        return
    for number, result in enumerate(chosen):
        if number:
            print_line("")
        print_csv(result) if form == "csv" else print_table(result, others)


def print_table(result: QueryOutput, others: str) -> None:
    """Print a result as a table; the plan of EXPLAIN as it is."""
    rows = result.texts()
    if result.is_plan:
        for line in (line for _, plan in rows for line in (plan or "").splitlines()):
            print_line(line)
        return
    columns = [
        query_column(name, kind, [row[number] for row in rows])
        for number, (name, kind) in enumerate(zip(result.columns, result.kinds, strict=True))
    ]
    print_columns(columns, noun="row", others=others, first=most_important(columns))


def print_csv(result: QueryOutput) -> None:
    """Print a result as CSV; a terminal shows escape codes and runs none."""
    show = reveal if sys.stdout.isatty() else str
    for part in result.csv():
        sys.stdout.write(show(part))


def json_array(texts: Sequence[str]) -> str:
    """Return the JSON array of these JSON texts, one a line."""
    return "[\n" + ",\n".join(map(escape_json, texts)) + "\n]" if texts else "[]"


def query_column(name: str, kind: Kind, values: Sequence[str | None]) -> Column:
    """Return the column of these values; decimals without the zeros that all of them end with."""
    # SQL's spelling of all other values is printable
    cells = [escape(value or "") if kind == "text" else value or "" for value in values]
    decimals = [len(cell) - len(cell.rstrip("0")) for cell in cells if "." in cell]
    if kind == "decimal" and decimals:
        scale = max(len(cell.partition(".")[2]) for cell in cells)
        spare = max(0, min(*decimals, scale - LEAST_DECIMALS))
        cells = [cell[: len(cell) - spare] if cell else "" for cell in cells]
    return Column(
        escape(name), cells, numeric=kind in {"number", "decimal"}, exact=kind not in {"text", "binary"}
    )


def most_important(columns: Sequence[Column]) -> list[str]:
    """Return the names of the item's column, the provider, the numbers, the currency and the phase.

    An empty column does not count.
    """
    filled = [column for column in columns if any(column.cells)]
    names = [column.name for column in filled]
    item = [name for name in ITEM_COLUMNS if name in names][:1]
    numbers = [column.name for column in filled if column.numeric]
    important = (*item, PLACE, *numbers, *DISTINCTIONS)
    return [name for name in dict.fromkeys(important) if name in names]

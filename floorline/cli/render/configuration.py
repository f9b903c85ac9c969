"""Print the result of `floorline config check`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from common.text import quote
from floorline.cli.json_output import print_result
from floorline.console import print_line, print_table
from pipelines.config import WatchSettings
from pipelines.config_check import Selection

COLUMNS: Final = ("basket", "source", "items", "providers", "currencies", "schedule")
MAX_NAMES: Final = 4  # in a cell


def print_selections(
    selections: Sequence[Selection], watches: Sequence[WatchSettings] = (), *, as_json: bool
) -> None:
    """Print what each basket selects, and the names of the watches; the JSON is about baskets."""
    if as_json:
        print_result("config check", selections)
        return
    print_table(COLUMNS, [_row(selection) for selection in selections], noun="basket", first=COLUMNS[:3])
    for selection in selections:
        for words, name in selection.meanings.items():
            print_line(f"  {selection.basket}: {quote(words)} is {quote(name)}")
    if watches:
        print_line(
            f"watches: {', '.join(watch.name for watch in watches)}; `floorline watches check` runs them"
        )
    unchecked = list(dict.fromkeys(name for selection in selections for name in selection.unchecked))
    if unchecked:
        print_line("The configuration is valid. Not cached yet, so that no name was looked up in them:")
        print_line(f"{', '.join(unchecked)}. `floorline plan` looks up all names, and shows the cost.")
    else:
        print_line(
            "The configuration is valid, and every name in it exists. `floorline plan` shows the cost."
        )


def _row(selection: Selection) -> tuple[object, ...]:
    items = "" if selection.items is None and selection.unchecked else selection.items or "all"
    cells = map(_summarize, (selection.providers, selection.currencies))
    return (selection.basket, selection.source, items, *cells, selection.schedule)


def _summarize(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= MAX_NAMES else f"{len(names)}"

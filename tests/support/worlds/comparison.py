"""Compare the public views of a database with the model of a world, and describe the differences readably."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import duckdb

from tests.support.worlds.events import Event
from tests.support.worlds.observed import Key
from tests.support.worlds.views import ModelViews, Row

_QUOTE = ("source", "provider", "item_id", "market_hash_name", "phase", "currency", "delivery")
_BID = tuple(name for name in _QUOTE if name != "delivery")
# The columns of each view that name a row; all of its columns are compared.
NAMES: Final[Mapping[str, Sequence[str]]] = {
    "quotes": _QUOTE,
    "bids": _BID,
    "quote_history": _QUOTE,
    "bid_history": _BID,
    "quotes_as_of": _QUOTE,
    "observations": ("run_id", "source", "currency", "delivery", "scope", "provider"),
    "best_ask": ("market_hash_name", "phase", "currency"),
    "best_ask_history": ("market_hash_name", "phase", "currency"),
    "stale_quotes": _QUOTE,
    "coverage": ("source", "provider", "currency", "delivery"),
    "items": ("source", "item_id", "base_name", "market_hash_name", "phase"),
    "rejects": ("reject_id",),
    "fx_rates": ("source", "currency", "rate_at"),
    "runs": ("run_id",),
}
SHOWN: Final = 3  # differences of each view


@dataclasses.dataclass(frozen=True, slots=True)
class View:
    """What a view has: the names of its columns, and its rows by these names."""

    columns: Sequence[str]
    rows: Sequence[Row]


Views = dict[str, View]


def fetch_views(db: duckdb.DuckDBPyConnection, times: Iterable[datetime]) -> Views:
    """Return the rows of the compared views, with quotes_as_of at some times, by a title for each."""
    relations = {view: view for view in NAMES if view != "quotes_as_of"}
    relations["runs"] = "(SELECT run_id, rows_changed, rows_closed FROM runs)"
    relations |= {f"quotes_as_of {time.isoformat()}": f"quotes_as_of('{time.isoformat()}')" for time in times}
    views: Views = {}
    for title, relation in relations.items():
        cursor = db.execute(f"FROM {relation} ORDER BY ALL")
        names = [column[0] for column in cursor.description or ()]
        views[title] = View(names, [dict(zip(names, row, strict=True)) for row in cursor.fetchall()])
    return views


def leave_out_converted_runs(views: Views) -> Views:
    """Return the views without the run and last refresh of converted prices, which need all landings."""
    excepted = {"run_id": None, "last_updated": None}

    def leave_out(row: Row) -> Row:
        return {**row, **(excepted if row.get("currency", "USD") != "USD" and "price" in row else {})}

    return {
        title: View(view.columns, sorted(map(leave_out, view.rows), key=str)) for title, view in views.items()
    }


def find_differences(views: Views, model: ModelViews) -> list[str]:
    """Return the differences between the views of a database and the model, each as a text of some lines."""
    texts: list[str] = []
    for title, found in views.items():
        view, _, time = title.partition(" ")
        expected = model.quotes_as_of(datetime.fromisoformat(time)) if time else model.rows(view)
        for text, name in _compare(title, found, expected):
            side = {"delivery": "bid"} if view in {"bids", "bid_history"} else {}
            texts.append("\n".join([text, *_describe_events({**name, **side}, views, model)]))
    return texts


def _values(row: Row, columns: Iterable[str]) -> tuple[Any, ...]:
    """Return the values to compare: of the scope of a set of items only that it is one, not its digest."""
    values = [row[name] for name in columns]
    scoped = ["items" if str(value).startswith("items:") else value for value in values]
    return tuple(tuple(value) if isinstance(value, list) else value for value in scoped)


def _compare(title: str, view: View, expected_rows: list[Row]) -> Iterator[tuple[str, Row]]:
    """Yield a text for each name of which rows differ, and the name by its columns."""
    keys = NAMES[title.partition(" ")[0]]
    columns = [*keys, *(column for column in view.columns if column not in keys)]
    expected = Counter(_values(row, columns) for row in expected_rows)
    found = Counter(_values(row, columns) for row in view.rows)
    missing, surplus = list((expected - found).elements()), list((found - expected).elements())
    width = len(keys)
    names = list(dict.fromkeys(row[:width] for row in (*missing, *surplus)))
    for number, name in enumerate(names[:SHOWN], 1):
        ours = sorted((row[width:] for row in missing if row[:width] == name), key=str)
        theirs = sorted((row[width:] for row in surplus if row[:width] == name), key=str)
        head = f"{title}: {_join(name)} ({number} of {len(names)})"
        text = "\n".join([head, *_pair(columns[width:], ours, theirs)])
        yield text, dict(zip(keys, name, strict=True))


def _pair(
    columns: Sequence[str], ours: list[tuple[Any, ...]], theirs: list[tuple[Any, ...]]
) -> Iterator[str]:
    """Describe what differs: by column where there is one row on each side, else the rows."""
    if len(ours) == len(theirs) == 1:
        for column, right, wrong in zip(columns, ours[0], theirs[0], strict=True):
            if right != wrong:
                yield f"    {column}: model {_text(right)}, view {_text(wrong)}"
        return
    yield from (f"    only in the model: {_join(row)}" for row in ours)
    yield from (f"    only in the view:  {_join(row)}" for row in theirs)


def _describe_events(name: Row, views: Views, model: ModelViews) -> Iterator[str]:
    """Tell the events of the keys that a row is about, and the changes that the view of the history has."""
    if "item_id" not in name:
        return
    for key, events in model.world.events.items():
        about = _key_row(key, model)
        if all(about.get(column) == value for column, value in name.items()):
            yield f"    {_join(about.values())}, events in the model:"
            yield from (f"        {_describe_event(event)}" for event in events)
            yield "    changes in the view:"
            view = views["bid_history" if key.delivery == "bid" else "quote_history"]
            yield from (
                f"        {_describe_change(row)}"
                for row in sorted(view.rows, key=lambda row: row["valid_from"])
                if all(row.get(column, value) == value for column, value in about.items())
            )


def _key_row(key: Key, model: ModelViews) -> Row:
    item = key.item
    return {
        "source": item.source,
        "provider": key.provider,
        "item_id": item.item_id,
        "market_hash_name": model.world.dimensions.names[item],
        "phase": item.phase,
        "currency": key.currency,
        "delivery": key.delivery,
    }


def _describe_event(event: Event) -> str:
    run = f"{_text(event.moment)} {event.landing.run_id}"
    if event.sighting is None:
        return f"{run} closed"
    row = event.sighting.row
    price = row.price if row.price is not None else f"{row.cents} cents"
    return f"{run} {price} x {row.quantity}, timestamp {_text(row.timestamp)}"


def _describe_change(row: Row) -> str:
    quantity = row["num_bids"] if "num_bids" in row else row["quantity"]
    return f"{_text(row['valid_from'])} {row['run_id']} {row['price']} x {quantity}"


def _join(values: Iterable[object]) -> str:
    return " · ".join(map(_text, values))


def _text(value: object) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S.%f}" if isinstance(value, datetime) else str(value)

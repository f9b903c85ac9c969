"""The effective configuration as TOML or as plain values: with defaults, and without what is secret."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from common.addresses import MASK
from common.text import escape, reveal
from pipelines.config.environment import find_variable
from pipelines.config.settings import Settings
from pipelines.config.tables import BasketSettings
from pipelines.config.values import write_value
from pipelines.config.watches import WatchSettings

if TYPE_CHECKING:
    from tomlkit.items import Table
    from tomlkit.toml_document import TOMLDocument

PLACES: Final = ("env:", "block:")  # a receiver of alerts that names a place has no secret


def describe_settings(settings: Settings) -> dict[str, Any]:
    """Return all tables with their values in the form of a configuration, without secrets."""
    return {
        "warehouse": _values(settings.warehouse),
        **({} if settings.shared is None else {"shared": _values(settings.shared)}),
        "sources": {name: _values(source) for name, source in settings.sources.items()},
        "baskets": [_values(basket) for basket in settings.baskets],
        "watches": [_values(watch) for watch in settings.watches],
        "alerts": _values(settings.alerts),
    }


def render_settings(settings: Settings) -> str:
    """Return the configuration as TOML, which says what is a default and what a variable has set."""
    import tomlkit

    document = tomlkit.document()
    document["warehouse"] = _table(settings.warehouse, "warehouse")
    document["warehouse"]["path"].comment(escape(str(settings.root)))
    if settings.shared is not None:
        document["shared"] = _table(settings.shared, "shared")
    _add_sources(document, settings)
    _add_entries(document, "baskets", settings.baskets)
    _add_entries(document, "watches", settings.watches)
    document["alerts"] = _table(settings.alerts, "alerts")
    return _escape_invisible(tomlkit.dumps(document))


def _escape_invisible(text: str) -> str:
    """Return TOML in which the characters that a terminal would not show are escapes of TOML."""
    hidden = {char for char in set(text) - {"\n"} if reveal(char) != char}
    return text.translate({ord(char): f"\\U{ord(char):08x}" for char in hidden})


def _add_sources(document: TOMLDocument, settings: Settings) -> None:
    import tomlkit

    sources = tomlkit.table(is_super_table=True)
    for name, source in settings.sources.items():
        sources[name] = _table(source, "sources", name)
    if settings.sources:
        document["sources"] = sources


def _add_entries(
    document: TOMLDocument, table: str, entries: Sequence[BasketSettings | WatchSettings]
) -> None:
    import tomlkit

    tables = tomlkit.aot()
    for place, entry in enumerate(entries):
        named = find_variable((table, str(place)))
        tables.append(_table(entry, table, str(place) if named else entry.name))
    if entries:
        document[table] = tables


def _table(model: BaseModel, *location: str) -> Table:
    """Return a table of TOML with a comment for each value that the file does not have."""
    import tomlkit

    table = tomlkit.table()
    for name, value in _values(model).items():
        if value is None:
            table.add(tomlkit.comment(f"{name} is not set"))
            continue
        entry = tomlkit.item(value)
        if found := find_variable((*location, name)):
            entry.comment(f"from {found[0]}")
        elif name not in model.model_fields_set:
            entry.comment("default")
        table.add(name, entry)
    return table


def _values(model: BaseModel) -> dict[str, Any]:
    return dict(_write_fields(model))


def _write_fields(model: BaseModel) -> Iterator[tuple[str, Any]]:
    for name, value in model:
        written = write_value(value)
        if name == "notify" and isinstance(written, list):
            written = [_mask_receiver(receiver) for receiver in written]
        if name != "on_behalf_of":  # always refused
            yield name, written


def _mask_receiver(receiver: str) -> str:
    """Return where alerts go, without the secrets that the path or the query of an address may have."""
    scheme = receiver.partition(":")[0]
    return receiver if receiver.startswith(PLACES) else f"{scheme}://{MASK}"

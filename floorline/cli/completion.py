"""The names that a shell completes: baskets, watches and sources of the configuration, and items."""

from __future__ import annotations

from typing import Final, Literal

import typer

from floorline.cli.options import inherit_config

SELECT_NAMES: Final = "SELECT DISTINCT item FROM items WHERE starts_with(item, $1) ORDER BY item LIMIT 50"


def complete_baskets(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of the configured baskets that begin with what is typed."""
    return [name for name in _names_of(ctx, "baskets") if name.startswith(incomplete)]


def complete_watches(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of the configured watches that begin with what is typed."""
    return [name for name in _names_of(ctx, "watches") if name.startswith(incomplete)]


def complete_sources(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of the configured sources that begin with what is typed."""
    return [name for name in _names_of(ctx, "sources") if name.startswith(incomplete)]


def complete_items(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return names of published items that begin with what is typed; each stands for the whole argument."""
    from common.errors import FloorlineError
    from floorline.cli.execution import warehouse_paths
    from floorline.market import Market

    try:
        paths = warehouse_paths(inherit_config(ctx, ctx.params.get("config")))
        with Market(paths.published_database) as market:
            rows = market.rows(SELECT_NAMES, [incomplete])
    except FloorlineError:  # a shell that completes shows no errors
        return []
    return [name for (name,) in rows]


def _names_of(context: typer.Context, table: Literal["baskets", "watches", "sources"]) -> list[str]:
    """Return the names of a table of the configuration; none where the configuration cannot be read."""
    from common.errors import ConfigError
    from pipelines.config import load_settings

    try:
        settings = load_settings(inherit_config(context, context.params.get("config")))
    except ConfigError:  # a shell that completes shows no errors
        return []
    names = {
        "baskets": [basket.name for basket in settings.baskets],
        "watches": [watch.name for watch in settings.watches],
        "sources": list(settings.sources),
    }
    return names[table]

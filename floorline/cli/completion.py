"""The names of the configuration that a shell completes: baskets and sources."""

from __future__ import annotations

import typer

from floorline.cli.options import inherit_config


def complete_baskets(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of the configured baskets that begin with what is typed."""
    return [name for name in _names_of(ctx)[0] if name.startswith(incomplete)]


def complete_sources(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of the configured sources that begin with what is typed."""
    return [name for name in _names_of(ctx)[1] if name.startswith(incomplete)]


def _names_of(context: typer.Context) -> tuple[list[str], list[str]]:
    """Return the names of baskets and sources; none where the configuration cannot be read."""
    from common.errors import ConfigError
    from pipelines.config import load_settings

    try:
        settings = load_settings(inherit_config(context, context.params.get("config")))
    except ConfigError:  # a shell that completes shows no errors
        return [], []
    return [basket.name for basket in settings.baskets], list(settings.sources)

"""The command `floorline gaps`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from connectors.clock import SystemClock
from flows import show, show_gaps
from flows.config import load_settings
from flows.gaps import find_gaps


def gaps(names: tuple[str, ...], config: Path | None, since: datetime | None, *, as_json: bool) -> None:
    """Show what is missing of these baskets (none: all) since a moment, taken for UTC, or their first run."""
    settings = load_settings(config)
    begin = since.replace(tzinfo=UTC) if since else None
    found = asyncio.run(find_gaps(settings, SystemClock(), names, begin, tell=show.complain))
    command = f"floorline backfill --gaps{f' --config {config}' if config else ''}"
    show_gaps.show(found, command, as_json=as_json)

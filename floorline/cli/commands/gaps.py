"""The command `floorline gaps`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from common.clock import SystemClock
from floorline import console
from floorline.cli.render import gaps as render_gaps
from pipelines.backfill.gaps import find_gaps
from pipelines.config import load_settings


def gaps(names: tuple[str, ...], config: Path | None, since: datetime | None, *, as_json: bool) -> None:
    """Show what is missing of these baskets (none: all) since a moment, taken for UTC, or their first run."""
    settings = load_settings(config)
    begin = since.replace(tzinfo=UTC) if since else None
    found = asyncio.run(find_gaps(settings, SystemClock(), names, begin, tell=console.print_error))
    command = f"floorline backfill --gaps{f' --config {config}' if config else ''}"
    render_gaps.print_gaps(found, command, as_json=as_json)

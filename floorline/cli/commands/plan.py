"""The command `floorline plan`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from common.clock import SystemClock
from floorline import console
from floorline.cli.render import plan as render_plan
from pipelines.config import load_settings
from pipelines.planning.estimate import forecast_sources


def plan(config: Path | None, *, as_json: bool, offline: bool) -> int:
    """Show what the configured baskets will cost; 0 if all fit their plans, else 5."""
    settings = load_settings(config)
    found = asyncio.run(forecast_sources(settings, SystemClock(), offline=offline, tell=console.print_error))
    render_plan.print_forecasts(found, as_json=as_json)
    return 0 if all(source.fits for source in found) else 5

"""The command `floorline plan`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from connectors.clock import SystemClock
from flows import show, show_plan
from flows.config import load_settings
from flows.plan_sources import forecasts


def plan(config: Path | None, *, as_json: bool, offline: bool) -> int:
    """Show what the configured baskets will cost; 0 if all fit their plans, else 5."""
    settings = load_settings(config)
    found = asyncio.run(forecasts(settings, SystemClock(), offline=offline, tell=show.complain))
    show_plan.show(found, as_json=as_json)
    return 0 if all(source.fits for source in found) else 5

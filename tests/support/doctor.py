"""What the doctor finds in a configuration, by the name of the line."""

from __future__ import annotations

import asyncio
from pathlib import Path

from common.clock import Clock
from floorline.doctor.findings import Finding
from floorline.doctor.runner import run_checks
from tests.support.clocks import VirtualClock


def examined(config: Path, clock: Clock | None = None) -> dict[str, Finding]:
    """Every finding; the clock is the sandbox's unless another one is given. A name stands but once."""
    found = asyncio.run(run_checks(config, clock or VirtualClock()))
    named = {finding.name: finding for finding in found}
    assert len(named) == len(found)
    return named

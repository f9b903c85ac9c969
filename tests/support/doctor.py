"""Run the doctor's checks on a configuration."""

from __future__ import annotations

import asyncio
from pathlib import Path

from common.clock import Clock
from floorline.doctor.findings import Finding
from floorline.doctor.runner import run_checks
from tests.support.clocks import VirtualClock


def findings_by_name(config: Path, clock: Clock | None = None) -> dict[str, Finding]:
    """Run all checks and return the findings; the clock shows the sandbox's time by default.

    Fails if two findings have the same name.
    """
    findings = asyncio.run(run_checks(config, clock or VirtualClock()))
    by_name = {finding.name: finding for finding in findings}
    assert len(by_name) == len(findings)
    return by_name

"""Check the channels of alerts: a message is the only proof that a channel works."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from common.errors import FloorlineError
from floorline.alert_blocks import try_configured_blocks
from floorline.doctor.findings import Finding, from_error, ok, warn
from pipelines.alerts.trial import ChannelTrial, try_channels
from pipelines.config import Settings

PROVEN_FOR: Final = timedelta(days=1)  # after a message, a channel gets no other one for this time
CHECK_ENTRY: Final = "correct the entry in [alerts] notify, then try `floorline alerts test`"


async def check_channels(settings: Settings, now: datetime) -> Sequence[Finding]:
    """Try each channel with a test message, but those that delivered a message of Floorline's lately."""
    try:
        trials = await asyncio.to_thread(try_channels, settings, now, proven_for=PROVEN_FOR)
        trials += await try_configured_blocks(settings)
    except FloorlineError as error:
        return [from_error("channels", error)]
    nobody = ok("channels", "nobody is notified of alerts: [alerts] notify is empty")
    return list(map(_finding, trials)) or [nobody]


def _finding(trial: ChannelTrial) -> Finding:
    if trial.failure is not None:
        return warn("channels", f"{trial.name} failed: {trial.failure}", CHECK_ENTRY)
    if trial.delivered_at is not None:
        return ok("channels", f"{trial.name} delivered a message at {trial.delivered_at:%Y-%m-%d %H:%M} UTC")
    return ok("channels", f"{trial.name} delivered a test message")

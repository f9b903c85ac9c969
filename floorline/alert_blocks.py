"""The Prefect blocks of `[alerts] notify`, tried where a Prefect API is configured."""

from __future__ import annotations

import asyncio

from common.errors import ConfigError
from flows.prefect_api import prefect_configured
from pipelines.alerts.channels import BLOCK
from pipelines.alerts.trial import ChannelTrial
from pipelines.config import Settings
from pipelines.prefect_settings import import_prefect


async def try_configured_blocks(settings: Settings) -> list[ChannelTrial]:
    """Send a test message through each block; without a Prefect API that answers, say so for each."""
    blocks = [entry for entry in settings.alerts.notify if entry.startswith(BLOCK)]
    if not blocks:
        return []
    if not prefect_configured():
        return [ChannelTrial(entry, "no Prefect API is configured, which has the block") for entry in blocks]
    try:
        await asyncio.to_thread(import_prefect)  # takes two seconds
        from flows.notification_blocks import try_blocks
        from flows.prefect_api import check_prefect_reachable

        await check_prefect_reachable()
    except ConfigError as error:
        return [ChannelTrial(entry, error.detail) for entry in blocks]
    return await try_blocks(settings.alerts.notify)

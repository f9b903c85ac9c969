"""Try the Prefect blocks of `[alerts] notify` with a test message, as the server's automations use them."""

from __future__ import annotations

from typing import Any, Final

from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.core import Block
from prefect.blocks.webhook import Webhook

from pipelines.alerts.channels import BLOCK, describe_status
from pipelines.alerts.messages import SCHEMA_VERSION
from pipelines.alerts.trial import TEST_BODY, TEST_TITLE, ChannelTrial

PAYLOAD: Final = {
    "schema_version": SCHEMA_VERSION, "cause": "test", "title": TEST_TITLE, "message": TEST_BODY,
}  # fmt: skip


async def try_blocks(notify: tuple[str, ...]) -> list[ChannelTrial]:
    """Send a test message through each block; no sentence of a library is in the results."""
    blocks = [entry for entry in notify if entry.startswith(BLOCK)]
    return [ChannelTrial(entry, await _try(entry.removeprefix(BLOCK))) for entry in blocks]


async def _try(slug: str) -> str | None:
    """Send a test message through one block; return why that failed, or None."""
    try:
        block: Any = await Block.aload(slug)
    except ValueError:
        return "Prefect has no such block: create it first"
    except Exception as error:  # noqa: BLE001 - of Prefect's client, and of the libraries beneath it
        return f"Prefect cannot load the block ({type(error).__name__})"
    try:
        if isinstance(block, Webhook):
            response = await block.call(payload=PAYLOAD)
            return describe_status(response.status_code) if response.status_code >= 300 else None
        if isinstance(block, NotificationBlock):
            await block.notify(body=TEST_BODY, subject=TEST_TITLE)
            return None
    except Exception as error:  # noqa: BLE001 - its text may hold the block's address, which is a secret
        return f"the block could not send it ({type(error).__name__})"
    return "the block is neither a webhook nor a notification"

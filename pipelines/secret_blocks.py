"""Read the Prefect Secret blocks that the configuration points to."""

from __future__ import annotations

import asyncio
from typing import Final, cast

from common.errors import KeyMissing
from pipelines.prefect_settings import check_temporary_server, import_prefect

BLOCK_TIMEOUT: Final = 60.0  # seconds; a temporary server of Prefect takes a while to start


async def read_secret_block(block: str, source: str) -> str:
    """Return the text in a Prefect Secret block. Raises KeyMissing, for `source`, and ConfigError."""
    import_prefect("prefect.blocks.system")
    from prefect.blocks.system import Secret

    check_temporary_server()
    try:
        async with asyncio.timeout(BLOCK_TIMEOUT):
            loaded = cast("Secret[str]", await Secret.aload(block))
    except ValueError:
        raise KeyMissing(f"there is no Prefect Secret block called {block}", source) from None
    except Exception as error:  # noqa: BLE001 - whatever error Prefect's client raises, there is no key
        message = f"the Prefect Secret block {block} cannot be read: {type(error).__name__}"
        raise KeyMissing(message, source) from None
    return str(loaded.get())

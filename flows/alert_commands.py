"""The commands about telling: `alerts test`, `alerts check` and `alerts apply`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from connectors.clock import SystemClock
from connectors.errors import ConfigError
from flows import show
from flows.config import load_settings
from flows.notify import BLOCK, senders
from flows.silence import watch

TITLE = "[floorline] test"
BODY = "This is how Floorline will tell you of an alert. Nothing is wrong."


def test(config: Path | None) -> int:
    """Send a message to everybody who is to hear of alerts; 1 where somebody was not reached."""
    notify = load_settings(config).alerts.notify
    found = list(senders(notify))
    if not found:
        raise ConfigError("[alerts] notify names nobody whom Floorline itself tells")
    reached = {sender.name: sender.send_text(TITLE, BODY) for sender in found}
    for name, sent in reached.items():
        show.line(f"{name}: {'sent' if sent else 'not sent: check its URL and whether it can be reached'}")
    if any(entry.startswith(BLOCK) for entry in notify):
        show.line("blocks are told by Prefect: see its automations, which `floorline alerts apply` installs")
    return 0 if all(reached.values()) else 1


def check(config: Path | None, *, as_json: bool) -> int:
    """Look for baskets that keep silent, and tell of what nobody was told of; 3 where one does."""
    silent = [basket.name for basket in watch(load_settings(config), SystemClock().now())]
    if as_json:
        show.line(show.as_json_text({"silent": silent}))
    else:
        show.line(f"silent: {', '.join(silent)}" if silent else "no basket is silent")
    return 3 if silent else 0


def apply(config: Path | None, file: Path | None, *, as_json: bool) -> None:
    """Install the automations in Prefect's server."""
    from prefect.client.orchestration import get_client

    from flows import up_lost
    from flows.alerts_apply import apply as install
    from flows.snapshot import reach_prefect

    async def main() -> None:
        await reach_prefect()
        done = await install(load_settings(config), file)
        async with get_client() as client:
            await up_lost.install(client)
        if as_json:
            show.line(show.as_json_text(done))
            return
        for one in done:
            show.line(f"{one.done}: {one.name}")

    asyncio.run(main())

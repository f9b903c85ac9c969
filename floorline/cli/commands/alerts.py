"""The commands about telling: `alerts test`, `alerts check` and `alerts apply`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from common.clock import SystemClock
from common.errors import ConfigError
from floorline import console
from floorline.cli.execution import _warehouse_paths
from floorline.cli.render.runs import print_alert, print_alerts
from pipelines.alerts.notify import BLOCK, apprise_channels
from pipelines.alerts.silence import check_silence
from pipelines.config import load_settings
from warehouse.state.alerts import AlertStore

TITLE = "[floorline] test"
BODY = "This is how Floorline will tell you of an alert. Nothing is wrong."


def test(config: Path | None) -> int:
    """Send a message to everybody who is to hear of alerts; 1 where somebody was not reached."""
    notify = load_settings(config).alerts.notify
    found = list(apprise_channels(notify))
    if not found:
        raise ConfigError("[alerts] notify names nobody whom Floorline itself tells")
    reached = {sender.name: sender.send_text(TITLE, BODY) for sender in found}
    for name, sent in reached.items():
        console.print_line(
            f"{name}: {'sent' if sent else 'not sent: check its URL and whether it can be reached'}"
        )
    if any(entry.startswith(BLOCK) for entry in notify):
        console.print_line(
            "blocks are told by Prefect: see its automations, which `floorline alerts apply` installs"
        )
    return 0 if all(reached.values()) else 1


def check(config: Path | None, *, as_json: bool) -> int:
    """Look for baskets that keep silent, and tell of what nobody was told of; 3 where one does."""
    silent = [basket.name for basket in check_silence(load_settings(config), SystemClock().now())]
    if as_json:
        console.print_line(console.to_json({"silent": silent}))
    else:
        console.print_line(f"silent: {', '.join(silent)}" if silent else "no basket is silent")
    return 3 if silent else 0


def apply(config: Path | None, file: Path | None, *, as_json: bool) -> None:
    """Install the automations in Prefect's server."""
    from prefect.client.orchestration import get_client

    from flows import automations
    from flows.automations import apply_automations as install
    from flows.prefect_api import check_prefect_reachable

    async def main() -> None:
        await check_prefect_reachable()
        done = await install(load_settings(config), file)
        async with get_client() as client:
            await automations.install_crash_automation(client)
        if as_json:
            console.print_line(console.to_json(done))
            return
        for one in done:
            console.print_line(f"{one.done}: {one.name}")

    asyncio.run(main())


def alerts_list(config: Path | None, *, as_json: bool, everything: bool) -> None:
    """The alerts."""
    home = _warehouse_paths(config)
    alerts = AlertStore(home.state).list_alerts(open_only=not everything) if home.state.exists() else []
    print_alerts(alerts, as_json=as_json)


def alerts_show(number: int, config: Path | None, *, as_json: bool) -> None:
    """One alert."""
    home = _warehouse_paths(config)
    found = AlertStore(home.state).list_alerts() if home.state.exists() else []
    chosen = [alert for alert in found if alert.alert_id == number]
    if not chosen:
        raise ConfigError(f"there is no alert {number}")
    print_alert(chosen[0], as_json=as_json)


def alerts_clear(number: int, config: Path | None) -> None:
    """Close one alert."""
    home = _warehouse_paths(config)
    if not home.state.exists() or not AlertStore(home.state).clear(number, SystemClock().now()):
        raise ConfigError(f"there is no open alert {number}")
    console.print_line(f"alert {number} is closed")

"""The commands `floorline alerts ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from floorline import console
from floorline.cli.json_output import print_result
from floorline.cli.options import AsJson, ConfigFile, Quiet

alerts_app = typer.Typer(
    help="Open alerts: rejected keys, exhausted quotas, dark providers.", no_args_is_help=True
)
AlertNumber = Annotated[
    int,
    typer.Argument(
        metavar="ALERT", min=1, max=10**9, help="The number of the alert, as `alerts list` prints it."
    ),
]


@alerts_app.command("list", epilog="Example: floorline alerts list --all")
def alerts_list(
    config: ConfigFile = None,
    as_json: AsJson = False,
    everything: Annotated[bool, typer.Option("--all", help="Include closed alerts.")] = False,
) -> None:
    """List the open alerts, newest first."""
    from floorline.cli.outputs.operation import AlertOutput
    from floorline.cli.render.runs import print_alerts
    from pipelines.alerts.messages import compose_message
    from pipelines.config import load_settings
    from warehouse.state.alerts import read_alerts
    from warehouse.state.database import open_state

    settings = load_settings(config)
    alerts = read_alerts(open_state(settings.paths), open_only=not everything)
    if as_json:
        print_result("alerts list", [AlertOutput.of(compose_message(alert, settings)) for alert in alerts])
    else:
        print_alerts(alerts)


@alerts_app.command("show", epilog="Example: floorline alerts show 3")
def alerts_show(alert: AlertNumber, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show an alert: what happened, since when, what to do."""
    from common.errors import ConfigError
    from floorline.cli.render.runs import print_alert
    from pipelines.alerts.messages import compose_message
    from pipelines.config import load_settings
    from warehouse.state.alerts import read_alerts
    from warehouse.state.database import open_state

    settings = load_settings(config)
    alerts = read_alerts(open_state(settings.paths))
    record = next((record for record in alerts if record.alert_id == alert), None)
    if record is None:
        raise ConfigError(f"there is no alert {alert}")
    print_alert(compose_message(record, settings), as_json=as_json)


@alerts_app.command("clear", epilog="Example: floorline alerts clear 3")
def alerts_clear(alert: AlertNumber, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Close an alert by its number."""
    from common.clock import SystemClock
    from common.errors import ConfigError
    from floorline.cli.execution import warehouse_paths
    from warehouse.state.alerts import AlertStore, read_alerts
    from warehouse.state.database import open_state

    state = open_state(warehouse_paths(config))
    if not state.exists() or not AlertStore(state).clear(alert, SystemClock().now()):
        raise ConfigError(f"there is no open alert {alert}")
    if as_json:
        print_result("alerts clear", next(a for a in read_alerts(state) if a.alert_id == alert))
    else:
        console.print_line(f"alert {alert} is closed")


@alerts_app.command("accept", epilog="Example: floorline alerts accept 3")
def alerts_accept(alert: AlertNumber, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Accept the loss that an alert doubts, and close it.

    The alert is one of `provider.dark` or `catalog.doubted`.
    """
    from common.clock import SystemClock
    from common.errors import ConfigError
    from common.text import escape
    from floorline.cli.outputs.operation import AcceptedLossOutput
    from pipelines.acceptance import accept_loss
    from pipelines.alerts.causes import DARK
    from pipelines.config import load_settings
    from warehouse.state.alerts import read_alerts
    from warehouse.state.database import open_state

    settings = load_settings(config)
    alerts = read_alerts(open_state(settings.paths), open_only=True)
    record = next((record for record in alerts if record.alert_id == alert), None)
    if record is None:
        raise ConfigError(f"there is no open alert {alert}")
    count = accept_loss(settings, record, SystemClock())
    if as_json:
        quotes, entries = (count, 0) if record.cause == DARK else (0, count)
        print_result(
            "alerts accept", AcceptedLossOutput(alert, record.cause, record.subject, quotes, entries)
        )
    elif record.cause == DARK:
        console.print_line(
            f"alert {alert} is closed, and {count} missing quotes of {escape(record.subject)} with it"
        )
    else:
        console.print_line(
            f"alert {alert} is closed: {count} missing entries of {record.subject} are dropped"
        )


@alerts_app.command("test", epilog="Example: floorline alerts test")
def alerts_test(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Send a test message to every recipient of alerts.

    Says why a message could not be sent; the exit code is 1 then.
    """
    import asyncio

    from common.clock import SystemClock
    from common.errors import ConfigError
    from floorline.alert_blocks import try_configured_blocks
    from floorline.cli.execution import connected_settings
    from floorline.cli.outputs.operation import ChannelOutput
    from pipelines.alerts.trial import try_channels

    settings = connected_settings(config)
    trials = try_channels(settings, SystemClock().now())
    trials += asyncio.run(try_configured_blocks(settings))
    if not trials:
        raise ConfigError("[alerts] notify names no recipient")
    failed = any(trial.failure for trial in trials)
    if as_json:
        outputs = [ChannelOutput(trial.name, trial.failure is None, trial.failure) for trial in trials]
        print_result("alerts test", outputs)
        raise typer.Exit(int(failed))
    for trial in trials:
        console.print_line(f"{trial.name}: {f'not sent: {trial.failure}' if trial.failure else 'sent'}")
    raise typer.Exit(int(failed))


@alerts_app.command("check", epilog="Example: floorline alerts check --json")
def alerts_check(config: ConfigFile = None, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Raise an alert for each basket that is silent.

    A basket is silent without a success for three of its intervals; the exit code is 3 then.
    """
    from common.clock import SystemClock
    from floorline.cli.outputs.operation import SilenceOutput
    from pipelines.alerts.silence import check_silence
    from pipelines.config import load_settings

    silent = [basket.name for basket in check_silence(load_settings(config), SystemClock().now())]
    if as_json:
        print_result("alerts check", SilenceOutput(tuple(silent)))
    elif silent or not quiet:
        console.print_line(f"silent: {', '.join(silent)}" if silent else "no basket is silent")
    raise typer.Exit(3 if silent else 0)


@alerts_app.command("apply", epilog="Example: floorline alerts apply")
def alerts_apply(
    config: ConfigFile = None,
    as_json: AsJson = False,
    file: Annotated[
        Path | None,
        typer.Option(help="By default automations.yaml beside the configuration, or else Floorline's own."),
    ] = None,
) -> None:
    """Install Prefect's automations that send alerts.

    Automations that are installed already are updated.
    """
    import asyncio

    from floorline.cli.execution import connected_settings
    from floorline.cli.outputs.operation import AutomationOutput
    from pipelines.prefect_settings import import_prefect

    settings = connected_settings(config)
    import_prefect()
    from flows.automations import apply_automations, install_crash_automation
    from flows.prefect_api import check_prefect_reachable

    async def install() -> None:
        await check_prefect_reachable()
        changes = await apply_automations(settings, file)
        await install_crash_automation()
        if as_json:
            outputs = [AutomationOutput(change.name, change.done) for change in changes]
            print_result("alerts apply", outputs)
            return
        for change in changes:
            console.print_line(f"{change.done}: {change.name}")

    asyncio.run(install())

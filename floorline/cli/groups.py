"""The commands of `floorline` that come in groups: alerts, rejects, key, maintain; see flows.cli."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from floorline.cli.options import AsJson, ConfigFile

alerts_app = typer.Typer(
    help="What stands open: rejected keys, used-up quota, dark providers.", no_args_is_help=True
)
rejects_app = typer.Typer(help="Rows that did not fit: kept with their raw text.", no_args_is_help=True)
key_app = typer.Typer(help="The sources' keys: are they accepted; a new one.", no_args_is_help=True)
maintain_app = typer.Typer(help="Care for the database and the landings.", no_args_is_help=True)
AlertNumber = Annotated[int, typer.Argument(help="The alert's number, as `alerts list` shows it.")]


@alerts_app.command("list")
def alerts_list(
    config: ConfigFile = None,
    as_json: AsJson = False,
    everything: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
) -> None:
    """List the open alerts, the newest first."""
    from floorline.cli.commands import alerts

    alerts.alerts_list(config, as_json=as_json, everything=everything)


@alerts_app.command("show")
def alerts_show(alert: AlertNumber, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show one alert by its number: what happened, since when, and what to do."""
    from floorline.cli.commands import alerts

    alerts.alerts_show(alert, config, as_json=as_json)


@alerts_app.command("clear")
def alerts_clear(alert: AlertNumber, config: ConfigFile = None) -> None:
    """Close an alert by its number."""
    from floorline.cli.commands import alerts

    alerts.alerts_clear(alert, config)


@alerts_app.command("test")
def alerts_test(config: ConfigFile = None) -> None:
    """Send a test message to everybody whom [alerts] notify names."""
    from floorline.cli.commands import alerts

    raise typer.Exit(alerts.test(config))


@alerts_app.command("check")
def alerts_check(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Raise an alert for each basket that was not looked at for three of its intervals; then exit 3."""
    from floorline.cli.commands import alerts

    raise typer.Exit(alerts.check(config, as_json=as_json))


@alerts_app.command("apply")
def alerts_apply(
    config: ConfigFile = None,
    as_json: AsJson = False,
    file: Annotated[
        Path | None, typer.Option(help="automations.yaml beside the configuration by default.")
    ] = None,
) -> None:
    """Install the automations that tell of alerts in Prefect's server, or bring them up to date."""
    from floorline.cli.commands import alerts

    alerts.apply(config, file, as_json=as_json)


@rejects_app.command("list")
def rejects_list(
    config: ConfigFile = None,
    as_json: AsJson = False,
    limit: Annotated[int, typer.Option(help="At most so many, the newest first.")] = 50,
) -> None:
    """List the rows that did not fit and were not replayed."""
    from floorline.cli.commands import maintain

    maintain.rejects_list(config, as_json=as_json, limit=limit)


@rejects_app.command("replay")
def rejects_replay(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Read the rejected rows once more; those that fit by now are loaded in their place in time."""
    from floorline.cli.commands import maintain

    maintain.rejects_replay(config, as_json=as_json)


@key_app.command("status")
def key_status(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Try every source's key, at no cost of quota; exit 0 only if all are accepted, else 4."""
    from floorline.cli.commands import keys

    raise typer.Exit(keys.status(config, as_json=as_json))


@key_app.command("rotate")
def key_rotate(
    source: Annotated[str, typer.Argument(help="The source by name.")],
    config: ConfigFile = None,
    as_json: AsJson = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Have a new key issued and store it in the place of the old one, which is revoked with its sub-keys."""
    from floorline.cli.commands import keys

    raise typer.Exit(keys.rotate(source, config, as_json=as_json, yes=yes))


@maintain_app.command("load")
def maintain_load(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Load the landings that wait, and publish, without fetching anything."""
    from floorline.cli.commands import maintain

    maintain.maintain_load(config, as_json=as_json)


@maintain_app.command("rebuild")
def maintain_rebuild(
    config: ConfigFile = None,
    as_json: AsJson = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Make the database anew from the landings that are kept; the old one is put aside."""
    from floorline.cli.commands import maintain

    maintain.maintain_rebuild(config, as_json=as_json, yes=yes)

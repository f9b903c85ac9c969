"""The commands `floorline config check`, `show` and `schema`."""

from __future__ import annotations

import typer

from floorline.cli.options import AsJson, ConfigFile

config_app = typer.Typer(help="The configuration: check it, show it, describe it.", no_args_is_help=True)


@config_app.command("check", epilog="Example: floorline config check")
def config_check(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Check the configuration, and say what each basket selects.

    No request is sent. The exit code is 2 if the configuration is wrong.
    """
    import asyncio

    from common.clock import SystemClock
    from floorline.cli.render.configuration import print_selections
    from pipelines.config import load_settings
    from pipelines.config_check import check_configuration

    settings = load_settings(config)
    selections = asyncio.run(check_configuration(settings, SystemClock()))
    print_selections(selections, settings.watches, as_json=as_json)


@config_app.command("show", epilog="Example: floorline config show")
def config_show(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show the whole configuration, without secrets.

    It has the defaults, and what environment variables set.
    """
    from floorline import console
    from floorline.cli.json_output import print_result
    from pipelines.config import load_settings
    from pipelines.config.effective import describe_settings, render_settings

    settings = load_settings(config)
    if as_json:
        print_result("config show", describe_settings(settings))
    else:
        console.print_line(render_settings(settings).rstrip())


@config_app.command("schema", epilog="Example: floorline config schema")
def config_schema() -> None:
    """Print the JSON Schema of the configuration, for editors.

    Editors complete and check floorline.toml with it.
    """
    from floorline import console
    from pipelines.config.schema import configuration_schema

    console.print_line(console.to_json(configuration_schema()))

"""The commands `floorline doctor`, `up`, `ui`, `prefect` and `deployments`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from floorline.cli.options import AsJson, ConfigFile, Quiet

LOCAL: Final = Path("prefect.local.yaml")  # git ignores it, unlike the repository's own prefect.yaml
LogFormat = Literal["text", "json"]


def doctor(config: ConfigFile = None, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Check everything that snapshots need; say how to fix it.

    The exit code is 1 if a check fails. No check costs quota.
    """
    import asyncio

    from common.clock import SystemClock
    from floorline.cli.render.doctor import print_findings
    from floorline.doctor.runner import run_checks

    findings = asyncio.run(run_checks(config, SystemClock()))
    print_findings(findings, as_json=as_json, quiet=quiet)
    raise typer.Exit(int(any(finding.verdict == "fail" for finding in findings)))


def up(
    config: ConfigFile = None,
    port: Annotated[
        int,
        typer.Option(min=0, max=65_535, metavar="PORT", help="The server's port; 0: any free one."),
    ] = 4200,
    host: Annotated[str, typer.Option(help="The address on which the server listens.")] = "127.0.0.1",
    workers: Annotated[int, typer.Option(min=1, max=16, metavar="NUMBER", help="The number of workers.")] = 1,
    log_format: Annotated[LogFormat, typer.Option(help="Lines for people, or JSON lines.")] = "text",
    dashboard: Annotated[bool, typer.Option("--dashboard", help="Serve the dashboard, too.")] = False,
    dashboard_port: Annotated[
        int, typer.Option(min=0, max=65_535, metavar="PORT", help="The dashboard's port; 0: any free one.")
    ] = 8710,
) -> None:
    """Run everything on schedule, until Ctrl-C.

    Starts a Prefect server, the deployments and workers, with --dashboard the dashboard, too; Ctrl-C stops
    all of them.
    """
    from floorline.up.run import run_until_stopped
    from floorline.up.supervisor import Options

    options = Options(
        host=host,
        port=port,
        workers=workers,
        log_format=log_format,
        dashboard=dashboard_port if dashboard else None,
    )
    raise typer.Exit(run_until_stopped(config, options))


def ui(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show the address and password of Prefect's page.

    The page is that of a running `floorline up`.
    """
    from floorline import console
    from floorline.cli.json_output import print_result
    from floorline.cli.outputs.operation import PageOutput
    from floorline.up.access import prefect_home, read_access
    from pipelines.config import load_settings

    access = read_access(prefect_home(load_settings(config).root))
    if access is None:
        raise _not_running()
    if as_json:
        print_result("ui", PageOutput(access.page, access.secret, access.dashboard))
        return
    console.print_line(f"Prefect:  {access.page}")
    if access.secret is None:
        console.print_line("Password: that of your own server")
    else:
        note = "(all of it; a new one at each start of `floorline up`)"
        console.print_line(f"Password: {access.secret} {note}")
    if access.dashboard is not None:
        console.print_line(f"Dashboard: {access.dashboard}")


def prefect(
    arguments: Annotated[
        list[str],
        typer.Argument(metavar="ARGUMENT", help="What follows `prefect`, such as `deployment ls`."),
    ],
    config: ConfigFile = None,
) -> None:
    """Run Prefect's command line with access to the server.

    The server is that of a running `floorline up`, or the configured one.
    """
    import os
    import sys

    from floorline.cli.execution import connected_settings
    from flows.prefect_api import prefect_configured

    connected_settings(config)
    if not prefect_configured():
        raise _not_running()
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", "prefect", *arguments])  # noqa: S606 - no shell, our own interpreter


def _not_running() -> Exception:
    from common.errors import ConfigError

    return ConfigError("no `floorline up` of this user runs for this warehouse")


def deployments(
    config: ConfigFile = None,
    as_json: AsJson = False,
    check: Annotated[
        bool, typer.Option("--check", help="Only check whether the file is up to date; exit 1 if not.")
    ] = False,
    to: Annotated[Path, typer.Option(help="The file to write or check.")] = LOCAL,
) -> None:
    """Write the deployments for `prefect deploy --all`.

    There is one for each basket, for backfills and for the nightly maintenance.
    """
    from floorline import console
    from floorline.cli.json_output import print_result
    from floorline.cli.outputs.operation import DeploymentsOutput
    from pipelines.config import load_settings
    from pipelines.prefect_settings import import_prefect

    settings = load_settings(config)
    import_prefect()
    from flows.deployments import render_prefect_yaml

    text = render_prefect_yaml(settings, config)
    is_current = _has_text(to, text)
    if not is_current and not check:
        to.write_text(text, "utf-8")
    if as_json:
        print_result(
            "deployments", DeploymentsOutput(str(to), not is_current and not check, is_current or not check)
        )
    elif not check:
        console.print_line(f"{to} is up to date")
    if check and not is_current:
        console.print_error(f"{to} does not match the configuration: run `floorline deployments`")
        raise typer.Exit(1)


def _has_text(file: Path, text: str) -> bool:
    """Return whether the file has this text and no other. Raises OSError where it cannot be read."""
    from common.files import read_user_file

    try:
        return read_user_file(file) == text
    except (FileNotFoundError, UnicodeDecodeError):
        return False

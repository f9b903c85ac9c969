"""The commands `floorline doctor`, `floorline up` and `floorline deployments`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from floorline.cli.options import AsJson, ConfigFile


def doctor(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Check everything that snapshots need, and say how to fix problems; exit 1 if a check fails."""
    import asyncio

    from common.clock import SystemClock
    from floorline.cli.render.doctor import print_findings
    from floorline.doctor.runner import run_checks

    findings = asyncio.run(run_checks(config, SystemClock()))
    print_findings(findings, as_json=as_json)
    raise typer.Exit(int(any(finding.verdict == "fail" for finding in findings)))


def up(
    config: ConfigFile = None,
    port: Annotated[
        int, typer.Option(min=1, max=65_535, help="The loopback port of the Prefect server.")
    ] = 4200,
    workers: Annotated[int, typer.Option(min=1, max=16, help="The number of workers.")] = 1,
) -> None:
    """Run everything on schedule: a Prefect server, the deployments, workers. Ctrl-C stops everything."""
    from floorline.up.run import run_until_stopped

    raise typer.Exit(run_until_stopped(config, port, workers))


def deployments(
    config: ConfigFile = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only check whether the file is up to date; exit 1 if not.")
    ] = False,
    to: Annotated[Path, typer.Option(help="The file to write or check.")] = Path("prefect.yaml"),
) -> None:
    """Write prefect.yaml for `prefect deploy --all`: a deployment per basket, and the nightly maintenance."""
    from floorline import console
    from flows.deployments import render_prefect_yaml
    from pipelines.config import load_settings

    text = render_prefect_yaml(load_settings(config), config)
    current = to.read_text("utf-8") if to.exists() else None
    if check and current != text:
        console.print_error(f"{to} does not match the configuration: run `floorline deployments`")
        raise typer.Exit(1)
    if check:
        return
    if current != text:
        to.write_text(text, "utf-8")
    console.print_line(f"{to} is up to date")

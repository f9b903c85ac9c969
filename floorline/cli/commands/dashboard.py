"""The command `floorline dashboard`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from floorline.cli.options import ConfigFile

Host = Annotated[str, typer.Option(metavar="ADDRESS", help="The address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65_535, metavar="PORT", help="0: any free port.")]
RootPath = Annotated[
    str, typer.Option(metavar="PATH", help="The path before all addresses behind a reverse proxy: /market.")
]
AllowHost = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="A further name by which browsers may call the dashboard."),
]


def dashboard(
    config: ConfigFile = None,
    host: Host = "127.0.0.1",
    port: Port = 8710,
    root_path: RootPath = "",
    allow_host: AllowHost = None,
    should_open: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = True,
) -> None:
    """Show the market and the collection in a browser.

    The pages follow every publish. They need no internet and have no password: only this machine reaches
    them, unless you say otherwise.
    """
    from dashboard.server import serve
    from floorline.cli.execution import warehouse_paths
    from floorline.console import print_line

    def announce(url: str) -> None:
        print_line(f"dashboard on {url} (Ctrl-C ends it)")
        sys.stdout.flush()  # whoever reads a pipe waits for the address
        if should_open:
            typer.launch(url)

    serve(
        warehouse_paths(config),
        host=host,
        port=port,
        root_path=root_path,
        hosts=allow_host or (),
        on_ready=announce,
    )

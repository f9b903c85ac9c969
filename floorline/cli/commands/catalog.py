"""The commands `floorline items search` and `floorline providers`."""

from __future__ import annotations

from typing import Annotated

import typer

from floorline.cli.completion import complete_sources
from floorline.cli.options import AsJson, ConfigFile

items_app = typer.Typer(help="Find items, and how the configuration names them.", no_args_is_help=True)
Sources = Annotated[
    list[str] | None,
    typer.Option(
        "--source",
        metavar="NAME",
        help="Names of sources; all sources by default.",
        autocompletion=complete_sources,
    ),
]
Refresh = Annotated[bool, typer.Option("--refresh", help="Fetch the catalog again, which costs a request.")]


@items_app.command("search", epilog="Example: floorline items search ak redline ft")
def items_search(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="WORD", help="Words of the name, as in: ak redline ft, st awp asiimov, karambit p2."
        ),
    ],
    config: ConfigFile = None,
    as_json: AsJson = False,
    source: Sources = None,
    limit: Annotated[int, typer.Option(min=1, metavar="ITEMS", help="The most items to show.")] = 20,
    refresh: Refresh = False,
) -> None:
    """Find items by words of their names and abbreviations.

    The abbreviations are fn, mw, ft, ww, bs, st (StatTrak) and sv (souvenir). The exit code is 1 if no item
    is found.
    """
    import asyncio

    from common.clock import SystemClock
    from floorline.cli.execution import connected_settings
    from floorline.cli.render.catalog import print_items
    from floorline.console import print_error
    from pipelines.catalog_reader import read_catalogs

    settings, text = connected_settings(config), " ".join(words)
    reading = read_catalogs(
        settings, "items", SystemClock(), sources=source or (), refresh=refresh, on_request=print_error
    )
    found = print_items(asyncio.run(reading), text, limit=limit, as_json=as_json)
    raise typer.Exit(0 if found else 1)


def providers(
    config: ConfigFile = None, as_json: AsJson = False, source: Sources = None, refresh: Refresh = False
) -> None:
    """List the marketplaces, with their keys, names and fees.

    Also says whether the API reports a marketplace as up.
    """
    import asyncio

    from common.clock import SystemClock
    from floorline.cli.execution import connected_settings
    from floorline.cli.render.catalog import print_providers
    from floorline.console import print_error
    from pipelines.catalog_reader import read_catalogs

    reading = read_catalogs(
        connected_settings(config),
        "providers",
        SystemClock(),
        sources=source or (),
        refresh=refresh,
        on_request=print_error,
    )
    print_providers(asyncio.run(reading), as_json=as_json)

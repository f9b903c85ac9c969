"""The command `floorline price`."""

from __future__ import annotations

from typing import Annotated

import typer

from floorline.cli.completion import complete_items
from floorline.cli.options import AsJson, ConfigFile


def price(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="WORD",
            help="The name of an item, or words of it, as in: ak redline ft, karambit sapphire fn.",
            autocompletion=complete_items,
        ),
    ],
    config: ConfigFile = None,
    as_json: AsJson = False,
    currency: Annotated[str, typer.Option(metavar="CODE", help="The currency of the amounts.")] = "USD",
) -> None:
    """Show what an item costs now, at every marketplace.

    Of an item with phases, shows the phases; name one to see its marketplaces. The changes and the bars of
    the week are those of the best ask.
    """
    from common.text import escape
    from floorline.cli.execution import warehouse_paths
    from floorline.cli.render.price import print_price
    from floorline.market import Market
    from floorline.price import find_prices

    with Market(warehouse_paths(config).published_database, currency.upper()) as market:
        prices = find_prices(market, " ".join(words))
        known = [row[0] for row in market.rows("SELECT DISTINCT currency FROM store.scope ORDER BY ALL")]
    if market.currency not in known:
        choice = ", ".join(map(escape, known))
        detail = f"nothing is recorded in {escape(market.currency)}: choose one of {choice}"
        raise typer.BadParameter(detail, param_hint="--currency")
    print_price(prices, as_json=as_json)

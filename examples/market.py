"""A notebook of marimo: search an item, see its prices, what moved, and what may be sold at a profit.

`marimo edit examples/market.py` opens the notebook in a browser, `marimo run examples/market.py` shows it
without its code, and `python examples/market.py` runs it as a script. With `-- --data FOLDER` after the name
of the file, the notebook reads the record in this folder, and else the one in `data`.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Floorline")


@app.cell
def _():
    import marimo as mo
    import polars as pl

    import floorline

    return floorline, mo, pl


@app.cell
def _(floorline, mo):
    market = floorline.open(mo.cli_args().get("data") or "data")
    best = market.best_ask()
    mo.md(f"# {len(best):,} items\n\nBest asks in {market.currency}, from `{market.path}`.")
    return best, market


@app.cell
def _(mo):
    words = mo.ui.text(label="Find an item", placeholder="ak redline ft, karambit sapphire", full_width=True)
    words
    return (words,)


@app.cell
def _(best, market, mo, words):
    columns = ("item", "price", "provider")
    found = (market.find(words.value, limit=20) if words.value else best.head(20)).select(columns)
    mo.stop(found.is_empty(), mo.md("No item has these words."))
    chosen = mo.ui.dropdown(found["item"].to_list(), value=found["item"][0], label="Item")
    mo.vstack([mo.ui.table(found, selection=None), chosen])
    return (chosen,)


@app.cell
def _(chosen, market, mo):
    days = market.ohlc(chosen.value)
    mo.vstack([mo.md(f"## {chosen.value}: the best ask by day"), mo.ui.table(days, selection=None)])
    return (days,)


@app.cell
def _(chosen, market, pl):
    quotes = market.quotes(chosen.value)
    quotes.select(
        "provider",
        "price",
        "quantity",
        (pl.col("price") / pl.col("price").min() - 1).round(3).alias("over best"),
    )
    return


@app.cell
def _(market, mo):
    movers, spreads = market.movers("24h"), market.spreads(min_margin=0.02)
    mo.vstack(
        [
            mo.md("## What moved in a day"),
            mo.ui.table(movers.head(20), selection=None),
            mo.md("## What may be sold at a profit, after fees"),
            mo.ui.table(spreads.head(20), selection=None),
        ]
    )
    return movers, spreads


if __name__ == "__main__":
    app.run()

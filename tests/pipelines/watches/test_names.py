"""`floorline config check` checks the SQL of watches, and looks their names up in the cached catalogs."""

from __future__ import annotations

import pytest

from sandbox.core import Sandbox
from tests.support.snapshots import REDLINE, Bench, CommandOutput, main_with

pytestmark = pytest.mark.usefixtures("no_prefect")


def check(bench: Bench, *keys: str) -> CommandOutput:
    """Check the configuration with one watch more."""
    text = bench.config.read_text("utf-8").partition("[watches.w]")[0]
    bench.config.write_text("\n".join((text, "[watches.w]", *keys)), "utf-8")
    return main_with("config", "check", "--config", str(bench.config))


def test_names_are_looked_up_once_the_catalogs_are_cached(bench: Bench, sandbox: Sandbox) -> None:
    misspelt = ('item = "AK-47 | Redlin (Field-Tested)"', "below = 5")
    assert check(bench, *misspelt).code == 0
    assert main_with("plan", "--config", str(bench.config)).code == 0
    sent = len(sandbox.requests.since(0))

    output = check(bench, *misspelt)
    assert (output.code, output.out) == (2, "")
    assert output.err.startswith(
        "floorline: watch w: no item is called 'AK-47 | Redlin (Field-Tested)'; did you"
    )
    output = check(bench, f'item = "{REDLINE}"', "below = 5", 'marketplace = "steem"')
    assert "watch w: no provider is called 'steem'; did you mean 'steam'?" in output.err
    output = check(bench, f'item = "{REDLINE}"', "below = 5")
    assert output.code == 0
    assert "watches: w; `floorline watches check` runs them\n" in output.out
    assert len(sandbox.requests.since(0)) == sent


@pytest.mark.slow
def test_sql_is_checked_and_not_run(bench: Bench) -> None:
    assert "watch w: query: DuckDB says: Parser Error" in check(bench, 'query = "SELEC 1"').err
    assert "watch w: query: the query of a watch is one SELECT" in check(bench, 'query = "CHECKPOINT"').err
    assert check(bench, 'query = "FROM quoted"').code == 0
    bench.snapshot()
    assert "watch w: query: DuckDB says: Catalog Error" in check(bench, 'query = "FROM quoted"').err
    assert check(bench, """query = "SELECT error('run') FROM quotes" """).code == 0

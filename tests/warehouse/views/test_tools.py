"""The tools of docs/how-to-analyse.md read the published file, as its examples say."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from tests.support.reference.market import publish_example
from tests.support.warehouse import Quote, land_and_load, minute, observe
from warehouse.paths import WarehousePaths

GUIDE = (Path(__file__).parents[3] / "docs" / "how-to-analyse.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
BOTH = "SELECT item, now FROM {}movers('24 hours'{}) ORDER BY ALL"


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    folder = tmp_path_factory.mktemp("analyst")
    return publish_example(folder / "data")


def run_examples(*numbers: int) -> dict[str, Any]:
    """Run some examples of the guide, one after the other; return what they define."""
    names: dict[str, Any] = {}
    for number in numbers:
        exec(EXAMPLES[number], names)  # noqa: S102
    return names


@pytest.mark.slow
def test_examples_of_the_guide_read_the_file(paths: WarehousePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(paths.root.parent)
    own = run_examples(0)
    assert own["history"].schema["price"] == pl.Decimal(20, 8)
    names = run_examples(1, 2, 3, 4)
    assert len(names["history"]) > 5
    best: pl.DataFrame = names["best"]
    assert best.schema["price"] == pl.Decimal(20, 8)
    assert names["table"].schema.field("open").type == pa.decimal128(20, 8)
    by_adbc = run_examples(6)["table"]
    assert sorted(by_adbc["item"].to_pylist()) == sorted(best["item"])
    dear = best.filter(pl.col("price") > 100).select("item", "price").rows()
    assert sorted(map(tuple, run_examples(7)["rows"])) == sorted(dear)
    assert "best_spreads" in EXAMPLES[5]
    if importlib.util.find_spec("pandas"):  # not among the requirements of development
        assert len(run_examples(1, 5)["frame"]) > 3


@pytest.mark.slow
def test_session_of_the_guide_sees_a_newer_file(
    paths: WarehousePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(paths.root.parent)
    market = run_examples(8)["market"]
    query = "SELECT max(observed_at) FROM quotes"
    first, kept = market.session().execute(query).fetchall(), market.session()
    assert market.session() is kept
    with duckdb.connect("data/market.duckdb", read_only=True):
        land_and_load(paths, "newer", observe(minute(9_000), Quote("1", 7)))
        with duckdb.connect("data/market.duckdb", read_only=True) as again:
            assert again.execute(query).fetchall() == first
        assert market.session().execute(query).fetchall() > first
        assert kept.execute(query).fetchall() == first
    macros = [
        market.session().execute(BOTH.format(*prefix)).fetchall()
        for prefix in (("", ""), ("market.", ", 'market'"))
    ]
    assert macros[0] == macros[1]

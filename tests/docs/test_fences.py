"""The fenced blocks of the documents run on a market, and a block that is wrong fails."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from sybil.example import SybilFailure

from tests.support.fences import EVALUATORS, run_fences
from tests.support.reference.market import publish_example
from tests.support.warehouse import Quote, land_and_load, minute, observe
from warehouse.paths import WarehousePaths

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w*)$", re.MULTILINE)
# nginx and Prefect read these blocks: see `test_proxy.py`, and `test_prefect_cluster.py` in tests/e2e.
LANGUAGES = {"python", "nginx", "ini", *EVALUATORS}
DOCUMENTS = [
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "bench" / "README.md")
    if FENCE.search(path.read_text("utf-8"))
]
CONFIGURATION = """
[sources.cs2cap]
[[baskets]]
name = "market"
source = "cs2cap"
items = "all"
every = "6h"
"""
GUIDE = ROOT / "docs" / "how-to-analyse.md"


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    folder = tmp_path_factory.mktemp("market")
    (folder / "floorline.toml").write_text(CONFIGURATION, "utf-8")
    return publish_example(folder / "data")


@pytest.fixture
def folder(paths: WarehousePaths, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to the folder of the configuration, with the market in `data`."""
    monkeypatch.chdir(paths.root.parent)
    return paths.root.parent


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_blocks_run(document: Path, folder: Path) -> None:
    names = run_fences(document)
    if document == GUIDE:
        check_guide(names)


def check_guide(names: dict[str, Any]) -> None:
    """The ways of the guide to the same views agree."""
    best: pl.DataFrame = names["best"]
    assert best.schema["price"] == pl.Decimal(20, 8)
    assert len(names["history"]) > 5
    assert sorted(names["table"]["item"].to_pylist()) == sorted(best["item"])  # by ADBC
    dear = best.filter(pl.col("price") > 100).select("item", "price").rows()
    assert sorted(map(tuple, names["rows"])) == sorted(dear)  # by SQLAlchemy


def test_every_block_has_a_language_that_is_run() -> None:
    for document in DOCUMENTS:
        opened = FENCE.findall(document.read_text("utf-8"))[::2]
        assert set(opened) <= LANGUAGES, document.name


@pytest.mark.parametrize(
    ("language", "wrong", "error"),
    [
        ("python", "import floorline\nfloorline.open('data').find(1, 2, 3)", TypeError),
        ("python", "assert missing", NameError),
        ("sql", "SELECT prise FROM best_ask", duckdb.BinderException),
        ("sql", "ATTACH 'data/other.duckdb' AS market (READ_ONLY)", duckdb.IOException),
        ("console", "$ floorline price", SybilFailure),
        ("console", "$ echo 1 | sed s/1/2/\n1", SybilFailure),
        ("console", "floorline status", ValueError),
        ("toml", "[sources.cs2cap]\nkind = 'other'", Exception),
        ("yaml", "a: [", Exception),
    ],
)
def test_broken_block_fails(
    language: str, wrong: str, error: type[Exception], tmp_path: Path, folder: Path
) -> None:
    document = tmp_path / "broken.md"
    document.write_text(f"# A guide\n\n```{language}\n{wrong}\n```\n", "utf-8")
    with pytest.raises(error):
        run_fences(document)


RIGHT = """
```python
a = 1
```

```sql
SELECT price FROM best_ask
```

```python
b = a + 1
```

<!-- skip: next if(not pandas, reason="pandas is not installed") -->

```python
import pandas
```

```console
$ echo 1 | sed s/1/2/
2
```
"""


def test_correct_blocks_pass_and_share_their_names(tmp_path: Path, folder: Path) -> None:
    document = tmp_path / "right.md"
    document.write_text(RIGHT, "utf-8")
    assert run_fences(document)["b"] == 2


def test_session_of_the_guide_sees_a_newer_file(
    paths: WarehousePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = WarehousePaths(shutil.copytree(paths.root, tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    market = run_fences(GUIDE)["market"]
    query = "SELECT max(observed_at) FROM quotes"
    first, kept = market.session().execute(query).fetchall(), market.session()
    assert market.session() is kept
    with duckdb.connect("data/market.duckdb", read_only=True):
        land_and_load(copy, "newer", observe(minute(9_000), Quote("1", 7)))
        with duckdb.connect("data/market.duckdb", read_only=True) as again:
            assert again.execute(query).fetchall() == first
        assert market.session().execute(query).fetchall() > first
        assert kept.execute(query).fetchall() == first
    by_name = market.session().execute("FROM market.movers('24 hours', 'market') ORDER BY ALL").fetchall()
    assert market.session().execute("FROM movers('24 hours') ORDER BY ALL").fetchall() == by_name

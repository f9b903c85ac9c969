"""A source that sends the key back, in headers, ids, names of fields and rows: the key is stored nowhere."""

import json
from pathlib import Path

import pytest
from backports import zstd

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY as SECRET
from tests.support.http_servers import http_response
from tests.support.interposer import interposer
from tests.support.snapshots import REDLINE, Bench, basket, catalog_of, main_with

NAME = f"AK-47 {SECRET}"
ROW = {"item_id": 3, "market_hash_name": REDLINE, "provider": "steam", "lowest_ask": 5, "quantity": 1}
PAGE = {
    "meta": {"currency": "USD", SECRET: SECRET},
    "items": [
        {**ROW, "url": f"https://steam.example/?key={SECRET}", SECRET: 1},
        {**ROW, "item_id": 4, "market_hash_name": NAME, "quantity": SECRET},
        {**ROW, "item_id": 5, "market_hash_name": NAME, "phase": SECRET},
    ],
    "pagination": {"limit": 100, "offset": 0, "total": 3, "has_next": False},
}
ITEMS = {"items": [{"item_id": 3, "market_hash_name": REDLINE}, {"item_id": 5, "market_hash_name": NAME}]}
HEADERS = {"x_request_id": f"req-{SECRET}", "x_ratelimit_tier": SECRET, "x_ratelimit_limit": SECRET}


def stored_texts(folder: Path) -> list[bytes]:
    """Return the content of every file, that of compressed ones, too."""
    contents = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    frames = (path.read_bytes() for path in folder.rglob("*.zst"))
    return [*contents, *(zstd.decompress(frame) for frame in frames)]


@pytest.mark.slow
@pytest.mark.parametrize("whole", [False, True], ids=["items", "a catalog, landed as it came"])
def test_key_that_comes_back_is_stored_nowhere(
    tmp_path: Path, sandbox: Sandbox, no_prefect: None, whole: bool
) -> None:
    with interposer(int(sandbox.url.rpartition(":")[2])) as between:
        planned = catalog_of("steam") if whole else basket(items=[REDLINE], route="catalog")
        bench = Bench.create(tmp_path, {"cs2cap": between.url}, planned)
        between.answer("/v1/prices", http_response(json.dumps(PAGE).encode(), **HEADERS))
        between.answer("/v1/items", http_response(json.dumps(ITEMS).encode(), **HEADERS))
        done = main_with("snapshot", "--no-prefect", "--json", "--config", str(bench.config))
        shown = [done, *(main_with(*words, "--config", str(bench.config)) for words in (
            ["status"], ["alerts", "list"], ["rejects", "list"], ["query", "SELECT * FROM runs"],
            ["query", "SELECT * FROM quotes"], ["query", "SELECT * FROM items"],
        ))]  # fmt: skip
    assert done.code in {0, 3, 7}, done.err
    assert not [command for command in shown if SECRET in command.out + command.err]
    assert len(stored_texts(tmp_path / "data")) > 5
    assert not [text for text in stored_texts(tmp_path / "data") if SECRET.encode() in text]
    if whole:
        assert "Key(…0001)" in str(bench.query("SELECT market_hash_name FROM items"))

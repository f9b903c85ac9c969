"""A cached catalog that is not what was written is fetched again, and never used."""

import asyncio
import os
import random
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from common.warehouse_errors import WarehouseError
from connectors import schemas
from pipelines.catalogs import CatalogCache
from tests.support.clocks import NOON, VirtualClock

FX = pl.DataFrame(
    [("EUR", Decimal("1.1"), NOON), ("CNY", Decimal("0.14"), NOON)], schema=schemas.FX, orient="row"
)


class RatesSource:
    """A source of exchange rates that counts how often they are fetched."""

    source = catalog_folder = "rates"

    def __init__(self) -> None:
        self.fetches = 0
        self.odd_entries: dict[str, list[str]] = {}

    async def items(self) -> pl.DataFrame:
        """Return no items."""
        return FX.clear()

    async def providers(self) -> pl.DataFrame:
        """Return no marketplaces."""
        return FX.clear()

    async def fx(self) -> pl.DataFrame:
        """Return the rates."""
        self.fetches += 1
        return FX


def read(cache: CatalogCache) -> pl.DataFrame:
    return asyncio.run(cache.fx())


def write(path: Path, content: bytes | bytearray) -> None:
    """Change a file but not its time: the cache would be too old, or from the future."""
    status = path.stat()
    path.write_bytes(content)
    os.utime(path, (status.st_atime, status.st_mtime))


@pytest.mark.parametrize("which", ["fx.arrow", "fx.arrow.checksum"])
def test_flipped_bit_in_a_cached_catalog_is_found(tmp_path: Path, which: str) -> None:
    source, chance = RatesSource(), random.Random(1)
    cache = CatalogCache(tmp_path, source, VirtualClock())
    read(cache)
    path = tmp_path / "rates" / which
    for flips in range(1, 201):
        content = bytearray(path.read_bytes())
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        write(path, content)
        assert_frame_equal(read(cache), FX)
        assert source.fetches == 1 + flips
    assert_frame_equal(read(cache), FX)
    assert source.fetches == 201
    read(cache)
    assert source.fetches == 201


@pytest.mark.parametrize("end", [0, 1, 100, -1])
def test_cut_catalog_is_fetched_again(tmp_path: Path, end: int) -> None:
    source = RatesSource()
    cache = CatalogCache(tmp_path, source, VirtualClock())
    read(cache)
    path = tmp_path / "rates" / "fx.arrow"
    write(path, path.read_bytes()[:end])
    assert_frame_equal(read(cache), FX)
    assert source.fetches == 2


@pytest.mark.parametrize("missing", ["fx.arrow", "fx.arrow.checksum"])
def test_missing_file_of_a_catalog_is_fetched_again(tmp_path: Path, missing: str) -> None:
    source = RatesSource()
    cache = CatalogCache(tmp_path, source, VirtualClock())
    read(cache)
    (tmp_path / "rates" / missing).unlink()
    assert_frame_equal(read(cache), FX)
    assert source.fetches == 2


@pytest.mark.parametrize("must_store", [True, False])
def test_catalog_that_cannot_be_stored(tmp_path: Path, must_store: bool) -> None:
    (tmp_path / "file").write_text("a file, not a folder")
    cache = CatalogCache(tmp_path / "file", RatesSource(), VirtualClock(), must_store=must_store)
    if must_store:
        with pytest.raises(WarehouseError):
            read(cache)
    else:
        assert_frame_equal(read(cache), FX)

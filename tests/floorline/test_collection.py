"""Garbage is collected again after the imports, and what was imported is left out."""

import gc
import sys

import pytest

from floorline.collection import paused_collection


def test_collection_goes_on_after_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen = gc.get_freeze_count()
    with paused_collection():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() == frozen  # nothing was imported

    try:
        monkeypatch.delitem(sys.modules, "colorsys", raising=False)
        with paused_collection():
            import colorsys  # noqa: F401
        assert gc.isenabled()
        assert gc.get_freeze_count() > frozen
    finally:
        gc.unfreeze()

"""Write docs/warehouse.md again: `python -m tests.support.reference`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.support.reference.market import publish_example
from tests.support.reference.page import PAGE, write_sections

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        PAGE.write_text(write_sections(PAGE.read_text("utf-8"), publish_example(Path(folder))), "utf-8")

"""Write the generated pages of the reference again: `python -m tests.support.reference`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.support.reference.market import publish_example
from tests.support.reference.pages import WAREHOUSE, write_pages
from tests.support.reference.views import write_sections

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        sections = write_sections(WAREHOUSE.read_text("utf-8"), publish_example(Path(folder)))
    WAREHOUSE.write_text(sections, "utf-8")
    for path, page in write_pages().items():
        path.write_text(page, "utf-8")

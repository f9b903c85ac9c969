"""The pages of the reference that are generated, whole or in part, and what they should have now."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.support.reference.commands import write_options
from tests.support.reference.configuration import write_configuration
from tests.support.reference.python_api import write_python_api
from tests.support.reference.views import read_anchors

DOCS: Final = Path(__file__).parents[3] / "docs"
WAREHOUSE: Final = DOCS / "warehouse.md"  # needs an example database: see `views.write_sections`
OPTIONS: Final = DOCS / "options.md"
CONFIGURATION: Final = DOCS / "configuration.md"
PYTHON_API: Final = DOCS / "python.md"


def write_pages() -> dict[Path, str]:
    """Return the pages that need no database, as they should be."""
    anchors = read_anchors(WAREHOUSE.read_text("utf-8"))
    return {
        OPTIONS: write_options(),
        CONFIGURATION: write_configuration(CONFIGURATION.read_text("utf-8")),
        PYTHON_API: write_python_api(PYTHON_API.read_text("utf-8"), anchors),
    }

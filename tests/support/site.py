"""Build the site of the documents: `python -m tests.support.site FOLDER`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
CONFIGURATION: Final = "zensical.toml"
PAGES: Final = ("*.md", "docs/**/*.*", "bench/README.md", "bench/*.svg", "LICENSE")


def copy_pages(folder: Path) -> Path:
    """Copy the documents into a folder beside the configuration of the site, each to its own place.

    The documents stand in several folders of the repository and link to each other. The site has the same
    places as the repository, so that a link is right in both. Returns the folder of the pages.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / CONFIGURATION, folder)
    pages = folder / "pages"
    shutil.rmtree(pages, ignore_errors=True)
    for pattern in PAGES:
        for page in ROOT.glob(pattern):
            copied = pages / page.relative_to(ROOT)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(page, copied)
    return pages


def build_site(folder: Path) -> subprocess.CompletedProcess[str]:
    """Build the pages of `copy_pages`; a dead link, or another warning, is an error with the exit code 1."""
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def main(folder: Path) -> int:
    """Copy the pages into a folder and build the site in it; say where the site is, or what is wrong."""
    copy_pages(folder)
    built = build_site(folder)
    if built.returncode:
        sys.stderr.write(built.stdout + built.stderr)
    else:
        sys.stdout.write(f"{folder / 'html' / 'index.html'}\n")
    return built.returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

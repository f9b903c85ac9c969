"""The rivals' own environments: made once, from pinned requirements, in a cache folder of the user."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Collection
from pathlib import Path
from typing import Final

from bench.suite.measurement import ContenderFailed, log

REQUIREMENTS: Final = Path(__file__).parents[1] / "rivals"


def prepare_environment(name: str, without: Collection[str] = ()) -> Path:
    """Return the Python of a rival's environment, which `rivals/NAME.txt` describes.

    Raises ContenderFailed where the rival cannot be installed, or is one of those that nobody wants.
    """
    if name in without:
        raise ContenderFailed("not asked for")
    requirements = REQUIREMENTS / f"{name}.txt"
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = cache_folder() / f"{name}-{digest}"
    ready = folder / "ready"
    if not ready.exists():
        log(f"installing {name} into an environment of its own, once")
        shutil.rmtree(folder, ignore_errors=True)  # of an installation that was interrupted
        venv.create(folder, with_pip=True)
        install = [*_pip(folder), "install", "--quiet", "--no-deps", "--requirement", str(requirements)]
        done = subprocess.run(install, check=False, capture_output=True, text=True)
        if done.returncode:
            raise ContenderFailed(f"pip could not install {requirements.name}")
        ready.touch()
    return folder / "bin" / "python"


def read_pin(name: str, package: str) -> str:
    """Return `package==version` as `rivals/NAME.txt` pins it."""
    lines = (REQUIREMENTS / f"{name}.txt").read_text("utf-8").splitlines()
    return next(line.partition(";")[0].strip() for line in lines if line.startswith(f"{package}=="))


def _pip(folder: Path) -> list[str]:
    return [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]


def cache_folder() -> Path:
    """Return the folder of what the suite makes once."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "floorline-bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder

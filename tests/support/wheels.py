"""The wheel of this clone, and a fresh environment with it, as `pip install` makes one elsewhere."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from tests.support.snapshots import clean_env

ROOT = Path(__file__).parents[2]


def build_wheel(folder: Path) -> Path:
    """Build the wheel into a folder, without a network, and return it."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([*pip, "wheel", *options, str(ROOT)], check=True, env=clean_env())
    (wheel,) = folder.glob("floorline-*.whl")
    return wheel


def install_wheel(wheel: Path, folder: Path) -> Path:
    """Create an environment with the wheel; return its folder of programs.

    The libraries are those of this environment. This clone is none of them: an editable install is a `.pth`
    file, which counts in its own environment only.
    """
    venv.create(folder, symlinks=True, with_pip=False)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", str(wheel)], check=True, env=clean_env())
    packages = folder / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "libraries.pth").write_text("\n".join(libraries), "utf-8")
    return python.parent

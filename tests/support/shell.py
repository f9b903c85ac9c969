"""Scripts of bash that run the command, for what its surroundings do to it: streams, limits, users."""

from __future__ import annotations

import subprocess

from tests.support.snapshots import FLOORLINE, Bench, clean_env


def run_script(bench: Bench, script: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    """Run a script of bash, in which $0 is the command, in the folder of the configuration."""
    names = {"HOME": str(bench.folder), "PREFECT_HOME": str(bench.folder / "prefect"), **env}
    return subprocess.run(
        ["bash", "-c", script, FLOORLINE],
        capture_output=True,
        cwd=bench.folder,
        env=clean_env(**names),
        check=False,
        timeout=240,
    )

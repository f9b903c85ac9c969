"""The command `floorline dashboard` in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def run_dashboard(config: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start the command on a configuration; yield its address and its process."""
    command = [sys.executable, "-m", "floorline", "dashboard", "--no-open", "--port", "0", *options]
    command += ["--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        match = re.fullmatch(r"dashboard on (http://127\.0\.0\.1:\d+/) \(Ctrl-C ends it\)\n", line)
        try:
            assert match, line
            yield match[1], process
        finally:
            process.kill()

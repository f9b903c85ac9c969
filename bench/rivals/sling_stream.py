"""Merge the file of a stream into DuckDB with Sling, incrementally by (provider, item_id).

    python sling_stream.py FILE.ndjson.gz FOLDER

Sling starts the command of DuckDB and reads its extensions from the home folder.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

TYPES = {
    "item_id": "bigint",
    "lowest_ask": "bigint",
    "quantity": "bigint",
    "lowest_ask_decimal": "decimal(20,8)",
}


def main() -> None:
    """Print the seconds."""
    path, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    environment = _prepare_home(folder)
    options = {"format": "jsonlines", "flatten": True, "columns": TYPES}
    command = [
        str(_package("sling_linux_amd64") / "bin" / "sling-linux-amd64"), "run",
        "--src-stream", f"file://{path}", "--src-options", json.dumps(options),
        "--tgt-conn", "TARGET", "--tgt-object", "main.quotes",
        "--mode", "incremental", "--primary-key", "provider,item_id",
    ]  # fmt: skip
    began = time.perf_counter()
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    seconds = time.perf_counter() - began
    if done.returncode:
        sys.exit(next(line for line in (done.stderr + done.stdout).splitlines() if "Error" in line))
    sys.stdout.write(json.dumps({"seconds": seconds}) + "\n")


def _prepare_home(folder: Path) -> dict[str, str]:
    """Return the environment of Sling: a home folder with the extensions, and the database to write."""
    for name in ("json", "httpfs"):
        for extension in (_package(f"duckdb_extension_{name}") / "extensions").rglob("*.duckdb_extension"):
            version = extension.parent.name
            target = folder / ".duckdb" / "extensions" / version / "linux_amd64" / extension.name
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                shutil.copy(extension, target)
    return {
        **os.environ,
        "HOME": str(folder),
        "SLING_HOME_DIR": str(folder / "sling"),
        "DUCKDB_PATH": str(_package("duckdb_cli") / "duckdb"),
        "DUCKDB_VERSION": version.removeprefix("v"),
        "TARGET": json.dumps({"type": "duckdb", "instance": str(folder / "sling.duckdb")}),
    }


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        sys.exit(f"Error: {name} is not installed")
    return Path(spec.origin).parent


if __name__ == "__main__":
    main()

"""`doctor`, `up`, `deployments`."""

from __future__ import annotations

from pathlib import Path

from floorline import console
from pipelines.config import load_settings


def deployments(config: Path | None, to: Path, *, check: bool) -> int:
    """Write prefect.yaml, or see whether it is up to date; the exit code."""
    from flows.deployments import render_prefect_yaml

    text = render_prefect_yaml(load_settings(config), config)
    current = to.read_text("utf-8") if to.exists() else None
    if check:
        if current != text:
            console.print_error(f"{to} is not what the configuration says: run `floorline deployments`")
        return int(current != text)
    if current != text:
        to.write_text(text, "utf-8")
    console.print_line(f"{to} is up to date")
    return 0

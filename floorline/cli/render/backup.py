"""Print backups and what was restored from them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from floorline.console import pluralize, print_line, to_json

if TYPE_CHECKING:
    from warehouse.backup.manifest import Manifest
    from warehouse.backup.restore import RestoreResult


def print_backup(folder: Path, manifest: Manifest, *, as_json: bool) -> None:
    """Print what a backup holds, and what is not in it."""
    if as_json:
        print_line(to_json({"folder": str(folder), **_fields(manifest)}))
        return
    print_line(f"{folder} is a whole backup of {manifest.created_at:%Y-%m-%d %H:%M:%S} UTC:")
    print_line(f"  {_describe(manifest)}")
    _print_left_out(manifest)


def print_restored(result: RestoreResult, *, as_json: bool) -> None:
    """Print what was restored, where the old files are, and what the backup has not."""
    manifest = result.manifest
    if as_json:
        aside = str(result.aside) if result.aside else None
        print_line(to_json({"root": str(result.root), "aside": aside, **_fields(manifest)}))
        return
    print_line(f"{result.root} is restored as of {manifest.created_at:%Y-%m-%d %H:%M:%S} UTC:")
    print_line(f"  {_describe(manifest)}")
    if result.aside:
        print_line(f"The files that were there before are in {result.aside}")
    _print_left_out(manifest)
    print_line("Next: `floorline doctor` checks everything; `floorline snapshot` goes on.")


def _fields(manifest: Manifest) -> dict[str, Any]:
    """Return the fields of a manifest as JSON, without the list of files."""
    fields = dataclasses.asdict(manifest)
    files = fields.pop("files")
    return {**fields, "files": len(files), "bytes": manifest.bytes}


def _describe(manifest: Manifest) -> str:
    counts = manifest.counts
    parts = (
        pluralize(counts.runs, "run"),
        pluralize(counts.quotes, "quote"),
        pluralize(counts.changes, "change"),
        f"{pluralize(counts.landings, 'landing')} ({counts.waiting:,} waiting)",
        pluralize(counts.open_alerts, "open alert"),
        pluralize(counts.backfills, "backfill"),
    )
    return f"{', '.join(parts)}; {pluralize(len(manifest.files), 'file')}, {manifest.bytes / 1e6:,.1f} MB"


def _print_left_out(manifest: Manifest) -> None:
    if manifest.left_out:
        print_line("Not in the backup:")
    for what in manifest.left_out:
        print_line(f"  {what}")

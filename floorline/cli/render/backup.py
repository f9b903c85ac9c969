"""Print backups, and what was restored from them."""

from __future__ import annotations

from pathlib import Path

from common.text import escape, pluralize
from floorline.cli.json_output import print_result
from floorline.cli.outputs.backup import BackupOutput, RestoreOutput
from floorline.console import print_line
from warehouse.backup.manifest import Manifest
from warehouse.backup.restore import RestoreResult


def print_backup(folder: Path, manifest: Manifest, *, as_json: bool) -> None:
    """Print what a backup holds that was made, and what is not in it."""
    if as_json:
        print_result("backup", BackupOutput.from_manifest(folder, manifest))
    else:
        _print_manifest(f"{folder} is a whole backup", manifest)


def print_verified(folder: Path, manifest: Manifest, *, as_json: bool) -> None:
    """Print what a backup holds that was verified only, as `restore` prints it."""
    if as_json:
        print_result("restore", RestoreOutput(None, None, BackupOutput.from_manifest(folder, manifest)))
    else:
        _print_manifest(f"{folder} is a whole backup", manifest)


def print_restored(folder: Path, result: RestoreResult, *, as_json: bool) -> None:
    """Print what was restored, where the old files are, and what the backup has not."""
    if as_json:
        print_result("restore", RestoreOutput.from_result(folder, result))
        return
    _print_manifest(f"{result.root} is restored", result.manifest)
    if result.aside:
        print_line(f"The files that were there before are in {result.aside}")
    print_line("`floorline doctor` checks everything; the next snapshot goes on.")


def _print_manifest(what: str, manifest: Manifest) -> None:
    counts = manifest.counts
    print_line(f"{what}, as of {manifest.created_at:%Y-%m-%d %H:%M:%S} UTC:")
    for line in (
        f"{pluralize(counts.runs, 'run')}, {pluralize(counts.quotes, 'quote')},"
        f" {pluralize(counts.changes, 'change')}, {pluralize(counts.backfills, 'backfill')}",
        f"{pluralize(counts.landings, 'landing')}, {counts.waiting:,} of them not loaded yet;"
        f" {pluralize(counts.open_alerts, 'open alert')}",
        f"{pluralize(len(manifest.files), 'file')}, {manifest.size / 1e6:,.1f} MB",
    ):
        print_line(f"  {line}")
    if manifest.left_out:
        print_line("Not in the backup:")
    for left_out in manifest.left_out:
        print_line(f"  {escape(left_out)}")

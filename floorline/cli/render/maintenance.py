"""Print what the maintenance of the warehouse did."""

from __future__ import annotations

from common.text import pluralize
from floorline.cli.json_output import print_result
from floorline.console import print_line, print_table
from warehouse.maintenance.sealing import SealReport


def print_seal(report: SealReport, *, above: int, as_json: bool, quiet: bool) -> None:
    """Print the sealed months on stdout; where there are none, why. `above` is in bytes."""
    if as_json:
        print_result("maintain seal", report)
    if as_json or quiet:
        return
    if report.is_small:
        print_line(
            f"no month was sealed: the database has {report.bytes / 1e6:,.1f} MB, and `seal_above` is"
            f" {above / 1e6:,.1f} MB; `--all` seals all the same"
        )
    elif not report.sealed:
        print_line("there was no month to seal")
    else:
        print_line(f"{pluralize(len(report.sealed), 'month')} sealed")
        columns = ("month", "rows", "bytes", "bytes a row")
        rows = [
            (f"{m.month:%Y-%m}", m.rows, m.bytes, round(m.bytes / max(m.rows, 1), 1)) for m in report.sealed
        ]
        print_table(columns, rows, noun="month")

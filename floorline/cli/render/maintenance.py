"""Print what the maintenance of the warehouse did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from common.text import pluralize
from floorline.cli.json_output import print_result
from floorline.console import print_error, print_line, print_table

if TYPE_CHECKING:
    from warehouse.maintenance.sealing import SealReport
    from warehouse.maintenance.sizes import TableSize
    from warehouse.maintenance.verification import Verification


def print_seal(report: SealReport, *, above: int, as_json: bool, quiet: bool) -> None:
    """Print the sealed months on stdout; where there are none, why. `above` is in bytes.

    A line on stderr for each step of a lake's maintenance that failed.
    """
    for problem in report.problems:
        print_error(f"{problem}; the next maintenance tries it again")
    if as_json:
        print_result("maintain seal", report)
    if as_json or quiet:
        return
    if report.deleted:
        print_line(f"{pluralize(report.deleted, 'state')} deleted that `keep_history` does not keep")
    if report.is_small:
        print_line(
            f"no month was sealed: the database has {report.database_bytes / 1e6:,.1f} MB, and"
            f" `seal_above` is {above / 1e6:,.1f} MB; `--all` seals all the same"
        )
    elif not report.sealed:
        print_line("there was no month to seal")
    else:
        print_line(f"{pluralize(len(report.sealed), 'month')} sealed")
        columns = ("month", "rows", "bytes", "bytes a row")
        rows = [
            (f"{m.month:%Y-%m}", m.rows, m.size_bytes, round(m.size_bytes / max(m.rows, 1), 1))
            for m in report.sealed
        ]
        print_table(columns, rows, noun="month")


def print_verification(report: Verification, *, as_json: bool, quiet: bool) -> None:
    """Print what was counted on stdout, and a line on stderr for each problem."""
    for problem in report.problems:
        print_error(problem)
    if as_json:
        print_result("maintain verify", report)
    elif not quiet and not report.problems:
        months = pluralize(report.sealed_months, "sealed month")
        print_line(
            f"the warehouse is whole: {pluralize(report.quotes, 'quote')} with"
            f" {pluralize(report.states, 'state')}, {months}"
        )


def print_sizes(sizes: Sequence[TableSize], *, as_json: bool) -> None:
    """Print the size of each table, and of the history that of each month."""
    if as_json:
        print_result("maintain sizes", sizes)
        return
    columns = ("table", "month", "sealed", "rows", "bytes", "bytes a row")
    rows = [
        (s.table, s.month, "yes" if s.sealed else None, s.rows, s.size_bytes, s.bytes_per_row) for s in sizes
    ]
    print_table(columns, rows, noun=None)

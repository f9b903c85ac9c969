"""Print how a warehouse was moved to what machines share."""

from __future__ import annotations

from common.text import escape, pluralize
from floorline.cli.json_output import print_result
from floorline.console import print_line
from pipelines.transfer import Transfer


def print_transfer(transfer: Transfer, *, as_json: bool) -> None:
    """Print what was copied and compared, and what comes next."""
    if as_json:
        print_result("migrate", transfer)
        return
    print_line(f"The warehouse is in {escape(transfer.storage)} now:")
    print_line(
        f"  {pluralize(transfer.database_rows, 'row')}, {pluralize(len(transfer.views), 'view')} compared"
    )
    print_line(f"  {pluralize(transfer.state_rows, 'row')} of alerts, backfills and rate limits")
    print_line("The next snapshot uploads what waits here. Other machines need the same table [shared].")

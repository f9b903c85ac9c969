"""Print the result of `floorline init`."""

from __future__ import annotations

from common.text import escape
from floorline.cli.json_output import print_result
from floorline.cli.outputs.setup import SetupOutput
from floorline.cli.render.configuration import print_selections
from floorline.cli.render.plan import print_forecasts
from floorline.console import print_heading, print_line
from floorline.setup.creation import Creation


def print_creation(creation: Creation, *, as_json: bool) -> None:
    """Print what was written, what the basket selects and costs, and what comes next."""
    if as_json:
        print_result("init", SetupOutput.from_creation(creation))
        return
    files = [creation.path, *([creation.key_file] if creation.key_file else [])]
    print_line(f"Written: {' and '.join(escape(str(path)) for path in files)}\n")
    print_selections(creation.selections, as_json=False)
    if creation.forecasts is not None:
        print_heading("\nThe cost, as `floorline plan` shows it")
        print_forecasts(creation.forecasts, as_json=False)
    print_heading("\nWhat comes next")
    width = max(map(len, creation.next_steps))
    for command, purpose in creation.next_steps.items():
        print_line(f"  {command:<{width}}  {purpose}")

"""Numbers that people write: what nothing can hold is one line, and exit code 2."""

from pathlib import Path

import pytest

from common.errors import ConfigError
from pipelines.config import load_settings
from tests.support.snapshots import main_with

TOML = '[sources.cs2cap]\n[[baskets]]\nname = "core"\nsource = "cs2cap"\nitems = ["all"]\n'
# As TOML writes them; the product divided by zero, or raised OverflowError or ValueError, for "new" ones.
WRONG = [
    ("new: zero", 'every = "0s"'),
    ("new: a billion days", 'every = "1000000000d"'),
    ("new: thousands of digits", f'every = "{"9" * 5_000}d"'),
    ("new: a number of thousands of digits", f"every = {'9' * 5_000}"),
    ("new: negative", "every = -600"),
    ("new: less than a second", "every = 0.2"),
    ("new: negative, in ISO 8601", 'fresh = "-P1D"'),
    ("new: a century and a day", 'fresh = "36501d"'),
    ("guard: infinite", "every = inf"),
    ("guard: no number", "every = nan"),
    ("guard: 10^300", "every = 1e300"),
    ("new: brackets", "currencies = " + "[" * 5_000 + "]" * 5_000),
]


@pytest.mark.parametrize("line", [row[1] for row in WRONG], ids=[row[0] for row in WRONG])
def test_number_that_nothing_can_hold_is_an_error_of_the_configuration(tmp_path: Path, line: str) -> None:
    path = tmp_path / "floorline.toml"
    path.write_text(f"{TOML}{line}\n")
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert len(str(caught.value).splitlines()) == 1
    planned = main_with("plan", "--offline", "--config", str(path))
    assert (planned.code, len(planned.err.splitlines())) == (2, 1)


def test_longest_and_shortest_durations_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "floorline.toml"
    path.write_text(f'{TOML}every = "10s"\nfresh = "36500d"\n')
    (basket,) = load_settings(path).baskets
    assert (basket.every.total_seconds(), basket.fresh.days) == (10, 36_500)


@pytest.mark.parametrize(
    "arguments",
    [
        ("up", "--port", "99999"),
        ("sandbox", "--port", "-1"),
        ("alerts", "clear", str(10**30)),
        ("rejects", "list", "--limit", str(10**30)),
    ],
    ids=lambda arguments: " ".join(arguments)[:30],
)
def test_option_that_nothing_can_hold_is_an_error_of_usage(arguments: tuple[str, ...]) -> None:
    assert main_with(*arguments).code == 2


@pytest.mark.parametrize(
    "start", ["0001-01-01T00:00:00+14:00", "0001-01-01", "1999-12-31", "9999-12-31T23:59:59-12:00"]
)
def test_start_outside_of_the_calendar_is_an_error_of_usage(tmp_path: Path, start: str) -> None:
    path = tmp_path / "floorline.toml"
    path.write_text(TOML)
    done = main_with("backfill", "--from", start, "--items", "all", "--config", str(path))
    assert done.code == 2
    assert done.err.startswith("floorline: --from ")
    assert len(done.err.splitlines()) == 1

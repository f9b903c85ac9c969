"""The examples of docs/how-to-watch.md are run, and the message that it shows is what a channel sends."""

from __future__ import annotations

import re
import textwrap
import tomllib
from pathlib import Path

import pytest

from common.sqlite_state import SqliteState
from pipelines.alerts.messages import describe_alert
from pipelines.config import parse_settings
from pipelines.watches.alerting import settle_watches
from pipelines.watches.conditions import find_matches
from pipelines.watches.runner import WatchResult
from tests.support.snapshots import REDLINE
from tests.support.warehouse import Quote, minute
from tests.support.watches import create_record
from warehouse.paths import WarehousePaths
from warehouse.state.alerts import AlertStore

DOCUMENT = (Path(__file__).parents[3] / "docs" / "how-to-watch.md").read_text("utf-8")
EXAMPLES = "\n".join(re.findall(r"^```toml\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL))
WATCHES = parse_settings(tomllib.loads(EXAMPLES), Path()).watches


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    return create_record(tmp_path_factory.mktemp("record") / "data")


def test_examples_are_valid_and_find_what_they_say(paths: WarehousePaths) -> None:
    found = {watch.name: find_matches(paths, watch).records() for watch in WATCHES}
    assert set(found) == {"cheap-redline", "no-old-quotes", "wide-spreads"}
    (price,) = found["cheap-redline"]
    assert (price["item"], price["price"], price["provider"]) == (REDLINE, "11.20", "buff163")
    assert {row["provider"]: row["old_quotes"] for row in found["no-old-quotes"]} == {
        "steam": "5",
        "buff163": "2",
    }
    (spread,) = found["wide-spreads"]
    assert (spread["bought_at"], spread["sold_at"], spread["margin"]) == ("buff163", "steam", "0.154")


def test_examples_match_nothing_where_all_is_well(tmp_path: Path) -> None:
    quotes = [Quote("1", 1400, provider=provider, name=REDLINE) for provider in ("steam", "buff163")]
    paths = create_record(tmp_path / "data", *quotes)
    watches = [watch for watch in WATCHES if watch.name != "no-old-quotes"]  # these quotes are of June
    assert [find_matches(paths, watch).rows for watch in watches] == [(), ()]


def test_document_shows_the_message(paths: WarehousePaths, tmp_path: Path) -> None:
    (watch,) = (watch for watch in WATCHES if watch.name == "cheap-redline")
    alerts = AlertStore(SqliteState(tmp_path / "state.db"))
    settle_watches(alerts, [WatchResult(watch, find_matches(paths, watch))], "r1", minute(0))
    message = describe_alert(alerts.list_alerts()[0], parse_settings({}, tmp_path), [])
    assert textwrap.indent(f"{message.title}\n{message.body}", "    ") in DOCUMENT

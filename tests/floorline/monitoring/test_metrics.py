"""Metrics in Prometheus' format: read by its own parsers, equal to what the warehouse holds."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from sandbox.cs2cap.keys import VALID_KEY
from sandbox.options import Options
from sandbox.server import serve
from tests.support.snapshots import Bench, basket, catalog_of, main_with
from tests.support.warehouse import Quote, land, minute, observe

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bench, str]]:
    """Return the metrics of a warehouse in which everything has happened, and its bench."""
    with serve(Options(items=60, limits=False)) as box:
        bench = Bench.at(
            tmp_path_factory.mktemp("metrics"),
            box,
            basket(),
            catalog_of("steam", name="wide"),
            basket("never"),
        )
        bench.snapshot("core", "wide")
        box.fault("broken_row", field="lowest_ask", value="x", row=0, times=1)
        bench.snapshot("wide")
        box.key(VALID_KEY, "revoked")
        bench.snapshot("core")
        land(bench.paths, "b", observe(minute(10), Quote("1")))
        yield bench, main_with("metrics", "--config", str(bench.config)).out


def parse(text: str) -> Samples:
    """Return the samples by name and labels, as Prometheus' own parser reads them."""
    return {
        (sample.name.removeprefix("floorline_"), frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def labels(**values: str) -> frozenset[tuple[str, str]]:
    """Return the labels of a sample."""
    return frozenset(values.items())


def test_baskets_are_those_of_the_database(text: tuple[Bench, str]) -> None:
    bench, shown = text
    samples = parse(shown)
    (rows,) = bench.query("SELECT arg_max(rows_fetched, started_at) FROM runs WHERE basket = 'core'")
    core = labels(basket="core", source="cs2cap")
    assert samples["basket_rows", core] == rows[0]
    ((success,),) = bench.query(
        "SELECT epoch(max(started_at)) FROM runs WHERE basket = 'core' AND state = 'done'"
    )
    assert samples["basket_last_success_timestamp_seconds", core] == pytest.approx(success)
    age = samples["collected_timestamp_seconds", labels()] - success
    assert samples["basket_age_seconds", core] == pytest.approx(age, abs=0.01)
    assert (samples["basket_interval_seconds", core], samples["basket_late", core]) == (600, 0)
    assert (samples["basket_last_run_ok", core]) == 0  # its key is revoked
    assert ("basket_rows", labels(basket="wide", source="cs2cap")) in samples


def test_basket_that_never_ran_is_late_and_has_no_age(text: tuple[Bench, str]) -> None:
    samples = parse(text[1])
    never = labels(basket="never", source="cs2cap")
    assert samples["basket_late", never] == 1
    assert ("basket_age_seconds", never) not in samples


def test_alerts_landings_rejects_quota_and_sizes(text: tuple[Bench, str]) -> None:
    bench, shown = text
    samples = parse(shown)
    assert samples["alerts_open", labels()] == len(bench.alerts()) > 0
    opened = [dict(key)["cause"] for name, key in samples if name == "alert_opened_timestamp_seconds"]
    assert "auth.failed" in opened
    assert (samples["landings_waiting", labels()], samples["landings_set_aside", labels()]) == (1, 0)
    rejects = {dict(key)["basket"]: count for (name, key), count in samples.items() if name == "rejects"}
    assert sum(rejects.values()) == len(bench.query("SELECT 1 FROM rejects"))
    assert samples["source_month_requests", labels(source="cs2cap")] > 0
    size = samples["size_bytes", labels(part="database")]
    assert size == bench.paths.published.stat().st_size
    assert samples["disk_free_bytes", labels()] > 0
    assert (samples["up", labels()], samples["work_pool_paused", labels()]) == (0, 0)
    assert VALID_KEY not in shown


def test_prometheus_own_tool_finds_nothing_wrong(text: tuple[Bench, str]) -> None:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed")
    checked = subprocess.run(
        [tool, "check", "metrics"], input=text[1], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_prometheus_accepts_the_rules_and_the_scrapes_of_the_document(tmp_path: Path) -> None:
    document = Path(__file__).parents[3] / "docs" / "how-to-monitor.md"
    scrapes, rules = re.findall(r"```yaml\n(.*?)```", document.read_text("utf-8"), re.DOTALL)
    names = set(re.findall(r"floorline_\w+", rules))
    assert names <= set(re.findall(r"`(floorline_\w+)`", document.read_text("utf-8")))
    password = tmp_path / "password"
    password.write_text("x")
    scrapes = scrapes.replace("/etc/prometheus/floorline.password", str(password))
    for kind, text in (("config", scrapes), ("rules", rules)):
        assert yaml.safe_load(text)
        if tool := shutil.which("promtool"):
            file = tmp_path / f"{kind}.yml"
            file.write_text(text)
            checked = subprocess.run([tool, "check", kind, file], capture_output=True, text=True, check=False)
            assert checked.returncode == 0, checked.stderr


def test_every_metric_is_documented(text: tuple[Bench, str]) -> None:
    document = (Path(__file__).parents[3] / "docs" / "how-to-monitor.md").read_text("utf-8")
    assert {family.name for family in text_string_to_metric_families(text[1])} <= set(
        re.findall(r"`(floorline_\w+)`", document)
    )


def test_file_is_whole_and_others_can_read_it(text: tuple[Bench, str], tmp_path: Path) -> None:
    bench, _ = text
    file = tmp_path / "floorline.prom"
    file.write_text("old")
    done = main_with("metrics", "--config", str(bench.config), "--output", str(file))
    assert (done.code, done.out) == (0, "")
    assert ("alerts_open", labels()) in parse(file.read_text())
    assert [path.name for path in tmp_path.iterdir()] == ["floorline.prom"]
    assert stat.S_IMODE(file.stat().st_mode) & 0o400


def test_file_that_cannot_be_written_is_one_line(text: tuple[Bench, str], tmp_path: Path) -> None:
    bench, _ = text
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "missing" / "x.prom", tmp_path / "pipe"):
        done = main_with("metrics", "--config", str(bench.config), "--output", str(path))
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert f"the metrics cannot be written to {path}" in done.err
    assert (tmp_path / "pipe").is_fifo()


def test_warehouse_that_does_not_exist_yet(tmp_path: Path) -> None:
    bench = Bench.create(tmp_path, {"cs2cap": "http://127.0.0.1:9"}, basket())
    samples = parse(main_with("metrics", "--config", str(bench.config)).out)
    assert samples["basket_late", labels(basket="core", source="cs2cap")] == 1
    assert samples["size_bytes", labels(part="database")] == 0

"""The report of the suite says what was measured, and no seconds of a busy machine."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.suite.chart import draw_chart
from bench.suite.report import BEGIN, CHART, END, README, insert_report, render_report
from bench.suite.results import Figure, Machine, PartResult, read_results, write_results

MACHINE = Machine(cores=2, memory=24, used_by_others=0.02, versions={"duckdb": "1.5.5"})
RESULT = PartResult(
    part="walk",
    title="Walk of the catalog",
    day="2026-11-29",
    command="python -m bench walk",
    figures=[
        Figure("a snapshot", [2.0, 3.0, 4.0], "s"),
        Figure("a snapshot / a loop", [2.0, 2.5, 3.5], "x", at_most=2.4),
        Figure("a rival / a snapshot", [30.0, 40.0, 20.0], "x", at_least=20),
    ],
    bar_title="a snapshot = 1",
    bars={"a snapshot": 1.0, "a rival & co": 30.0, "a loop": 0.4},
    machine=MACHINE,
    left_out=["Sling: pip could not install sling.txt"],
)
BUSY = dataclasses.replace(RESULT, machine=dataclasses.replace(MACHINE, used_by_others=0.6))


def test_row_has_median_range_and_whether_the_goal_is_met() -> None:
    report = render_report({"walk": RESULT})
    assert "| a snapshot | **3 s** | 2 to 4 (3 rounds) |  |  |" in report
    assert "| a snapshot / a loop | **2.50x** | 2 to 3.50 (3 rounds) | at most 2.40x | **no** |" in report
    assert "| a rival / a snapshot | **30x** | 20 to 40 (3 rounds) | at least 20x | yes |" in report
    assert "Left out: Sling: pip could not install sling.txt." in report


def test_busy_machine_has_ratios_only() -> None:
    report = render_report({"walk": BUSY})
    assert "Other work used 60% of the cores meanwhile: ratios only." in report
    assert "| a snapshot |" not in report
    assert "| a snapshot / a loop |" in report


def test_report_replaces_the_one_between_the_markers() -> None:
    text = insert_report(f"before\n{BEGIN}\nold\n{END}\nafter\n", "new\n")
    assert text == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    assert insert_report(text, "new\n") == text
    with pytest.raises(ValueError, match="no markers"):
        insert_report("no marker", "new\n")


def test_results_come_back_from_their_file(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    assert read_results(path) == {}
    write_results({"walk": RESULT}, path)
    assert read_results(path) == {"walk": RESULT}


def test_chart_has_a_bar_for_each_name() -> None:
    picture = ElementTree.fromstring(draw_chart([(RESULT.bar_title, RESULT.bars)]))
    texts = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert {"a snapshot = 1", "a rival & co", "30x", "0.40x"} <= set(texts)
    widths = [float(element.attrib["width"]) for element in picture.iter("{http://www.w3.org/2000/svg}rect")]
    _, one, rival, loop = widths  # the first one is the background
    assert loop < one < rival


def test_published_report_is_that_of_the_results() -> None:
    text = README.read_text("utf-8")
    results = read_results()
    assert insert_report(text, render_report(results)) == text
    panels = [(result.bar_title, result.bars) for result in results.values()]
    assert README.with_name(CHART).read_text("utf-8") == draw_chart(panels)

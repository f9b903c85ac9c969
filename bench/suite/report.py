"""Write the results into the README of the benchmarks, between two markers, as tables with a chart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from bench.suite.results import Figure, PartResult

README: Final = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- results: written by `make bench` -->", "<!-- end of the results -->"
CHART: Final = "results.svg"
TIMES: Final = frozenset({"s", "ms"})


def insert_report(text: str, report: str) -> str:
    """Return the text of the README with the report between its markers. Raises ValueError without them."""
    before, found, rest = text.partition(BEGIN)
    _, found_end, after = rest.partition(END)
    if not (found and found_end):
        raise ValueError("the README has no markers for the results")
    return f"{before}{BEGIN}\n\n{report}\n{END}{after}"


def render_report(results: Mapping[str, PartResult]) -> str:
    """Return Markdown: the chart, and each part with its table."""
    chart = f"![Times of Floorline and its rivals as multiples]({CHART})\n"
    return "\n".join([chart, *(line for result in results.values() for line in _render_part(result))])


def _render_part(result: PartResult) -> Iterator[str]:
    machine = result.machine
    versions = ", ".join(f"{name} {number}" for name, number in machine.versions.items())
    yield f"### {result.title}\n"
    yield f"    {result.command}\n"
    yield f"{result.day}, {machine.cores} cores, {machine.memory:.0f} GiB, {versions}."
    if machine.is_busy:
        share = f"{machine.used_by_others:.0%}"
        yield f"Other work used {share} of the cores meanwhile: ratios only."
    yield from (f"Left out: {reason}." for reason in result.left_out)
    yield "\n| figure | median | range | goal | met |\n|---|---|---|---|---|"
    yield from (_render_row(each) for each in result.figures if not (machine.is_busy and each.unit in TIMES))
    yield ""


def _render_row(figure: Figure) -> str:
    low, high = min(figure.samples), max(figure.samples)
    goal = ""
    if figure.at_most is not None:
        goal = f"at most {_render_number(figure.at_most, figure.unit)}"
    elif figure.at_least is not None:
        goal = f"at least {_render_number(figure.at_least, figure.unit)}"
    met = {True: "yes", False: "**no**", None: ""}[figure.is_met]
    span = f"{_render_number(low)} to {_render_number(high)} ({len(figure.samples)} rounds)"
    return f"| {figure.name} | **{_render_number(figure.median, figure.unit)}** | {span} | {goal} | {met} |"


def _render_number(number: float, unit: str = "") -> str:
    digits = 0 if abs(number) >= 100 or number == round(number) else 1 if abs(number) >= 10 else 2
    text = f"{number:,.{digits}f}"
    return f"{text}{unit}" if unit in {"", "x"} else f"{text} {unit}"

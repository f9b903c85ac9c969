"""Run the suite of benchmarks, and write its results into bench/README.md.

    python -m bench [PART...] [--rounds 5] [--rows 604373] [--history 1,10,50] [--without dlt,sling] [--dry]

Each part measures Floorline and its rivals in turn, in one run. The results of parts that do not run stay.
`--dry` prints the report and writes nothing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from bench.suite.chart import draw_chart
from bench.suite.dashboard import run_dashboard
from bench.suite.growth import run_growth, run_publish
from bench.suite.machine import describe_machine
from bench.suite.measurement import log
from bench.suite.options import SuiteOptions
from bench.suite.queries import run_queries
from bench.suite.report import CHART, README, insert_report, render_report
from bench.suite.results import Findings, PartResult, read_results, write_results
from bench.suite.start import run_start
from bench.suite.stream import run_load, run_stream
from bench.suite.walk import run_walk

# Title, title of the chart, and the function, by the part's name.
PARTS: Mapping[str, tuple[str, str, Callable[[SuiteOptions], Findings]]] = {
    "walk": ("Walk of the whole catalog", "walk of the catalog; Floorline's second snapshot = 1", run_walk),
    "stream": ("Snapshot by stream", "stream, 7.5% changed, request to published; Floorline = 1", run_stream),
    "load": ("Load of a landed stream", "load, landed to committed; Floorline = 1", run_load),
    "growth": ("Load with a long history", "load, 7.5% changed; with the shortest history = 1", run_growth),
    "queries": ("Questions", "questions to the longest history; to the shortest = 1", run_queries),
    "publish": ("Publish", "publish after a load; with the shortest history = 1", run_publish),
    "dashboard": ("Dashboard", "95% of the requests of a page; its goal = 1", run_dashboard),
    "start": ("Start of a command", "start to exit; snapshot of one item = 1", run_start),
}


def main() -> None:
    """Run the parts, and write the results of each as soon as it ends."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all by default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=604_373, help="rows of a snapshot")
    parser.add_argument("--history", default="1,10,50", help="million rows of history")
    parser.add_argument("--without", default="", help="rivals to leave out: dlt,sling")
    parser.add_argument("--dry", action="store_true", help="print the report and write nothing")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - PARTS.keys():
        parser.error(f"unknown part: {', '.join(unknown)}")
    names = arguments.parts or list(PARTS)
    if len(names) > 1:
        # The peak memory of a process counts that of the process which started it: of another part, too.
        flags = [argument for argument in sys.argv[1:] if argument not in PARTS]
        for name in names:
            subprocess.run([sys.executable, "-m", "bench", name, *flags], check=True)
        return
    (name,) = names
    log(f"part {name}")
    results = read_results()
    results[name] = _run_part(name, arguments)
    if arguments.dry:
        print(render_report({name: results[name]}))
    else:
        _write({name: results[name] for name in PARTS if name in results})


def _run_part(name: str, arguments: argparse.Namespace) -> PartResult:
    history = tuple(int(number) for number in arguments.history.split(","))
    options = SuiteOptions(
        rounds=arguments.rounds,
        rows=arguments.rows,
        history=history,
        without=frozenset(arguments.without.split(",")),
    )
    title, bar_title, run = PARTS[name]
    findings = run(options)
    flags = [argument for argument in sys.argv[1:] if argument not in PARTS and argument != "--dry"]
    return PartResult(
        part=name,
        title=title,
        day=f"{datetime.now(UTC):%Y-%m-%d}",
        command=" ".join(["python -m bench", name, *flags]),
        figures=findings.figures,
        bar_title=bar_title,
        bars=findings.bars,
        machine=describe_machine(options.watch, findings.rivals),
        left_out=findings.left_out,
    )


def _write(results: Mapping[str, PartResult]) -> None:
    write_results(results)
    text = README.read_text("utf-8")
    README.write_text(insert_report(text, render_report(results)), "utf-8")
    panels = [(result.bar_title, result.bars) for result in results.values()]
    README.with_name(CHART).write_text(draw_chart(panels), "utf-8")


if __name__ == "__main__":
    main()

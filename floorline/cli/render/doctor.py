"""Print the findings of `floorline doctor`: a line per finding, its advice below, and a summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from common.text import sanitize
from floorline.cli.json_output import print_result
from floorline.console import print_line
from floorline.doctor.findings import Finding

MAX_CHARACTERS: Final = 400


def print_findings(findings: Sequence[Finding], *, as_json: bool, quiet: bool) -> None:
    """Print the findings in the order of the checks: all, or with `quiet` the problems only."""
    if as_json:
        print_result("doctor", findings)
        return
    if quiet:
        findings = [finding for finding in findings if finding.verdict != "ok"]
    if not findings:
        return
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        seen = sanitize(finding.seen, MAX_CHARACTERS)
        print_line(f"{finding.verdict:<4}  {sanitize(finding.name):<{width}}  {seen}")
        if finding.advice:
            print_line(f"{'':<{width + 8}}-> {sanitize(finding.advice, MAX_CHARACTERS)}")
    print_line(_summary(Counter(finding.verdict for finding in findings)))


def _summary(verdicts: Counter[str]) -> str:
    if verdicts["fail"]:
        return f"{verdicts['fail']} of {verdicts.total()} checks fail"
    return f"no check fails, {verdicts['warn']} warn" if verdicts["warn"] else "all checks are ok"

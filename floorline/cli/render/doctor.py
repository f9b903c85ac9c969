"""What `floorline doctor` prints: a line a finding, with what to do below it, and how many there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from common.text import sanitize
from floorline.console import print_line, to_json
from floorline.doctor.findings import Finding

LONGEST = 400  # characters


def print_findings(found: Sequence[Finding], *, as_json: bool) -> None:
    """Everything that was found, in the order of the checks."""
    if as_json:
        print_line(to_json(list(found)))
        return
    width = max(len(finding.name) for finding in found)
    for finding in found:
        print_line(
            f"{finding.verdict:<4}  {sanitize(finding.name):<{width}}  {sanitize(finding.seen, LONGEST)}"
        )
        if finding.advice:
            print_line(f"{'':<{width + 8}}-> {sanitize(finding.advice, LONGEST)}")
    print_line(_summary(Counter(finding.verdict for finding in found)))


def _summary(counts: Counter[str]) -> str:
    if counts["fail"]:
        return f"{counts['fail']} of {counts.total()} fail"
    return f"nothing fails, {counts['warn']} to look at" if counts["warn"] else "all is well"

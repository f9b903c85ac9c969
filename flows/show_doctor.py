"""What `floorline doctor` prints: a line a finding, with what to do below it, and how many there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from connectors.errors import plain
from flows.doctor_findings import Finding
from flows.show import as_json_text, line

LONGEST = 400  # characters


def findings(found: Sequence[Finding], *, as_json: bool) -> None:
    """Everything that was found, in the order of the checks."""
    if as_json:
        line(as_json_text(list(found)))
        return
    width = max(len(finding.name) for finding in found)
    for finding in found:
        line(f"{finding.verdict:<4}  {plain(finding.name):<{width}}  {plain(finding.seen, LONGEST)}")
        if finding.advice:
            line(f"{'':<{width + 8}}-> {plain(finding.advice, LONGEST)}")
    line(_summary(Counter(finding.verdict for finding in found)))


def _summary(counts: Counter[str]) -> str:
    if counts["fail"]:
        return f"{counts['fail']} of {counts.total()} fail"
    return f"nothing fails, {counts['warn']} to look at" if counts["warn"] else "all is well"

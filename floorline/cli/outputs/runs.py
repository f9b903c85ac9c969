"""The results of `floorline snapshot`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from floorline.cli.json_output import ErrorOutput
from floorline.cli.outputs import copy_fields
from pipelines.results import CatalogReport, RunResult
from warehouse.loading.run import LoadReport


@dataclasses.dataclass(frozen=True, slots=True)
class RunOutput:
    """The run of one basket.

    `state` is done, incomplete, auth_failed, quota_exhausted, plan_forbids, failed, unusable or cancelled.
    `exit_code` is that of a command with this run only. `error` ended the run, and `incomplete_reason` says
    what is missing. `requests` and `pages` are counts. `requests_left` is what is left of the month's
    quota, null if the source does not say. `unknown_fields` counts the rows with a field that the contract
    does not have. `load` is null if nothing was loaded. `key_tail` is the end of the key, and `request_id`
    the source's id of the last request; both may be empty. `clock_skew_seconds` is how far the source's clock
    was ahead of this machine's (negative: behind) at the most. `catalogs` says what was wrong with the
    source's catalogs.
    """

    run_id: str
    basket: str
    source: str
    state: str
    exit_code: int
    error: ErrorOutput | None
    incomplete_reason: str | None
    requests: int
    pages: int
    requests_left: int | None
    unknown_fields: Mapping[str, int]
    notes: tuple[str, ...]
    load: LoadReport | None
    key_tail: str
    request_id: str
    clock_skew_seconds: float | None
    catalogs: tuple[CatalogReport, ...]

    @classmethod
    def from_result(cls, result: RunResult) -> RunOutput:
        """Return a result as it is printed."""
        return cls(
            **copy_fields(
                cls,
                result,
                error=result.error and ErrorOutput.from_error(result.error, result.exit_code),
                requests_left=result.quota_remaining,
                clock_skew_seconds=result.clock_skew,
            )
        )

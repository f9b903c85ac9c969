"""The context that a flow run shares with its caller in the same process."""

from __future__ import annotations

from flows.in_process import CallerContext


def test_run_without_caller_gets_no_progress_and_a_new_list() -> None:
    caller = CallerContext[str, int]("test", "no progress")
    progress, results = caller.get()
    results.append(1)
    assert (progress, results) == ("no progress", [1])
    assert caller.get() == ("no progress", [])


def test_results_are_collected_for_the_innermost_caller() -> None:
    caller = CallerContext[str, int]("test", "no progress")
    with caller.collect_results("outer") as outer:
        with caller.collect_results("inner") as inner:
            progress, results = caller.get()
            results.append(1)
            assert progress == "inner"
        caller.get()[1].append(2)
    assert (outer, inner) == ([2], [1])
    assert caller.get() == ("no progress", [])

"""What nobody foresaw in the answer of one source: the other source is fetched and loaded in the same run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.cs2cap import connector, typed_page
from pipelines.snapshot.extraction import BasketExtractor
from sandbox.core import Sandbox
from tests.support.cases import slow_but
from tests.support.http_servers import http_response
from tests.support.interposer import interposer
from tests.support.secrets import assert_no_secret
from tests.support.snapshots import Bench, basket, main_with

BASKETS = (basket("odd", source="odd"), basket("good", source="good"))
# Where a response is classified, read and judged; the last one is outside of every shard.
PLACES: dict[str, tuple[Any, Exception]] = {
    "parse_account": (connector, RecursionError("deep")),
    "_limits": (connector.CS2Cap, OverflowError("large")),
    "check_listing": (typed_page, ValueError("4,300 digits of sk_secret")),
    "_find_down_providers": (BasketExtractor, KeyError("x")),
}


def fail_for_source(function: Callable[..., Any], error: Exception, name: str) -> Callable[..., Any]:
    """Return `function`, which raises an error for the source called "odd" only."""

    def replacement(*arguments: Any, **options: Any) -> Any:
        owner = getattr(arguments[0], "_session", None)
        texts = (*map(str, arguments), *map(str, options.values()), getattr(arguments[0], "source", ""))
        if name in texts or getattr(owner, "name", "") == name or f"source='{name}'" in repr(arguments):
            raise error
        return function(*arguments, **options)

    return replacement


@pytest.mark.parametrize(
    ("function", "owner", "error"),
    slow_but({"parse_account", "check_listing"}, {name: (name, *place) for name, place in PLACES.items()}),
)
def test_unforeseen_error_costs_its_source_only(
    tmp_path: Path,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    function: str,
    owner: Any,
    error: Exception,
) -> None:
    bench = Bench.at(tmp_path, {"odd": sandbox, "good": sandbox}, *BASKETS)
    monkeypatch.setattr(owner, function, fail_for_source(getattr(owner, function), error, "odd"))
    odd, good = bench.snapshot()
    assert (good.state, good.exit_code) == ("done", 0)
    assert bench.quotes(source="good")
    assert odd.exit_code in {1, 3}
    said = str(odd.error or odd.incomplete_reason)
    assert f"could not handle a response: {type(error).__name__} in " in said
    assert_no_secret(said)
    assert "sk_secret" not in said


# Answers that ended the whole run in a traceback.
ANSWERS = {
    "a reset before the calendar": (
        "/v1/account/key",
        http_response(
            b'{"key": {"is_active": true, "effective_rate_requests_per_minute": 40}}',
            date="Fri, 31 Dec 9999 23:59:59 GMT",
            x_ratelimit_limit="5",
            x_ratelimit_remaining="4",
            x_ratelimit_reset="1780318800",
        ),
    ),
    "an expiry outside of the calendar": (
        "/v1/account/key",
        http_response(
            b'{"key": {"is_active": true, "expires_at": "9999-12-31T23:59:59-12:00",'
            b' "effective_rate_requests_per_minute": -7}}'
        ),
    ),
    "a location of thousands of lists": (
        "/v1/account/key",
        http_response(
            b'{"code": "VALIDATION_ERROR", "detail": [{"loc": ' + b"[" * 900 + b"]" * 900 + b"}]}",
            "422 Unprocessable Content",
        ),
    ),
    "another API": ("/v1/account/key", http_response(b'{"detail": "Not Found"}', "404 Not Found")),
    "no such address": ("/v1/account/key", http_response(b"", "302 Found", location="http://[::1/")),
    "levels": ("/v1/prices", http_response(b'{"items": [' + b"[" * 10**5 + b"]" * 10**5 + b"]}")),
}


@pytest.mark.slow
@pytest.mark.parametrize(("path", "answer"), slow_but({"another API", "levels"}, ANSWERS))
def test_odd_answer_of_one_source_leaves_the_other(
    tmp_path: Path, sandbox: Sandbox, no_prefect: None, path: str, answer: bytes
) -> None:
    with interposer(int(sandbox.url.rpartition(":")[2])) as between:
        bench = Bench.create(tmp_path, {"odd": between.url, "good": sandbox.url}, *BASKETS)
        between.answer(path, answer)
        done = main_with("snapshot", "--no-prefect", "--config", str(bench.config))
    assert done.code in {0, 1, 2, 3}, done.err
    assert bench.quotes(source="good")
    assert len(done.err.splitlines()) <= 1

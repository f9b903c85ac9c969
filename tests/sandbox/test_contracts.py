"""The sandbox answers requests that are made from the contracts as the contracts say, where these exist."""

from __future__ import annotations

import pytest

from tests.support.contracts import CONTRADICTIONS, FOLDER, explain, find_failures
from tests.support.sandboxes import MakeSandbox

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FOLDER.exists(), reason="the contract files are missing"),
]


def test_responses_contradict_the_contracts_only_where_that_is_known(make_sandbox: MakeSandbox) -> None:
    old, new = (make_sandbox(items=60, tier="quant", phases=phases).url for phases in ("old", "new"))
    servers = (("cs2cap", old), ("skinshark", old), ("skinshark", new))
    explained = {
        failure: explain(api, failure) for api, url in servers for failure in find_failures(api, url)
    }
    assert [failure for failure, contradiction in explained.items() if contradiction is None] == []
    assert set(CONTRADICTIONS) - set(explained.values()) == set(), "these are no contradictions any more"

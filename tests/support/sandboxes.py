"""The sandboxes of tests: their options, and the types of the fixtures in tests/conftest.py."""

from collections.abc import Callable
from typing import Any

import httpx

from sandbox.core import Sandbox
from sandbox.options import Options
from tests.support.clocks import NOON

MakeSandbox = Callable[..., Sandbox]
HttpGet = Callable[..., httpx.Response]


def quiet(**options: Any) -> Options:
    """Return options of a sandbox: by default 300 items, clock frozen at noon, no limits."""
    return Options(**{"items": 300, "frozen": NOON, "refresh": 0, "limits": False, **options})

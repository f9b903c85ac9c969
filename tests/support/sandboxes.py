"""Types of the sandbox fixtures in tests/conftest.py."""

from collections.abc import Callable

import httpx

from sandbox.core import Sandbox

MakeSandbox = Callable[..., Sandbox]
HttpGet = Callable[..., httpx.Response]

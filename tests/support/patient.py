"""Requests of tests, with as much time as a busy machine needs; httpx itself gives up after 5 s."""

from __future__ import annotations

import functools
from typing import Final

import httpx

SECONDS: Final = 120.0
get = functools.partial(httpx.get, timeout=SECONDS)
post = functools.partial(httpx.post, timeout=SECONDS)
delete = functools.partial(httpx.delete, timeout=SECONDS)
request = functools.partial(httpx.request, timeout=SECONDS)
stream = functools.partial(httpx.stream, timeout=SECONDS)
Client = functools.partial(httpx.Client, timeout=SECONDS)
AsyncClient = functools.partial(httpx.AsyncClient, timeout=SECONDS)

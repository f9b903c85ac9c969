"""An S3 server on loopback, moto, in a process of its own; a test has a bucket of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx

from tests.support.up import free_port
from tests.support.waiting import wait_until

ACCESS_KEY = "AKIAFLOORLINETESTS00"
SECRET_KEY = "planted-s3-7c11e0"
ROOT = Path(__file__).parents[2]


@dataclasses.dataclass(frozen=True, slots=True)
class ObjectStore:
    """An S3 server: its address, and the variables of the environment that hold its credentials."""

    endpoint: str

    @property
    def environment(self) -> Mapping[str, str]:
        """The credentials and the region, as AWS names them."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": "us-east-1",
        }

    def create_bucket(self) -> str:
        """Create a bucket; return its address."""
        name = f"floorline-{secrets.token_hex(6)}"
        httpx.put(f"{self.endpoint}/{name}", timeout=60).raise_for_status()
        return f"s3://{name}/market"

    def begin_outage(self, seconds: float) -> None:
        """Let the server answer 503 to every request for so many seconds."""
        httpx.post(f"{self.endpoint}/outage/{seconds}").raise_for_status()


@contextlib.contextmanager
def running_object_store(host: str = "127.0.0.1", *, log: Path | None = None) -> Iterator[ObjectStore]:
    """Run an S3 server, which keeps its objects in memory. It writes a line for each request into the log."""
    port = free_port()
    command = [sys.executable, "-m", "tests.support.object_store_server", host, str(port)]
    with (log or Path(os.devnull)).open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=ROOT)
    store = ObjectStore(f"http://{host}:{port}")

    def answers() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{store.endpoint}/moto-api/").is_success
        return False

    try:
        wait_until(answers, 60, every=0.1)
        yield store
    finally:
        process.terminate()
        process.wait(30)

"""The line for cron of docs/how-to-report.md: the report arrives, and nothing arrives without a report."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.http_servers import WEBHOOK_PASSWORD, WebhookReceiver, webhook_receiver
from tests.support.snapshots import REDLINE, clean_env
from tests.support.warehouse import Quote, create_warehouse, land_and_load, minute, observe

pytestmark = [pytest.mark.slow, pytest.mark.server]
GUIDE = (Path(__file__).parents[2] / "docs" / "how-to-report.md").read_text("utf-8")


def run_line(folder: Path, receiver: WebhookReceiver) -> subprocess.CompletedProcess[str]:
    """Run the line of the guide as cron does, in another folder and with another receiver."""
    (line,) = re.findall(r"^    0 7 \* \* \*  (.*)$", GUIDE, re.MULTILINE)
    assert line.startswith("cd /srv/market && ")
    (folder / "mail.txt").write_text(receiver.url, "utf-8")
    command = ["sh", "-c", line.replace("/srv/market", str(folder), 1)]
    env = clean_env(PATH=f"{Path(sys.executable).parent}:/usr/bin:/bin", HOME=str(folder))
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


def test_report_arrives_as_a_file(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path / "data")
    land_and_load(paths, "r1", observe(minute(0), Quote("1", 1120, 3, "buff163", name=REDLINE)))
    (tmp_path / "floorline.toml").write_text('[warehouse]\npath = "data"\n', "utf-8")
    with webhook_receiver() as receiver:
        done = run_line(tmp_path, receiver)
    assert done.returncode == 0, done.stderr
    assert WEBHOOK_PASSWORD not in done.stdout + done.stderr
    ((_, message),) = receiver.received
    (attached,) = message["attachments"]
    assert (message["title"], attached["mimetype"]) == ("The market", "text/html")
    report = (tmp_path / "market.html").read_bytes()
    assert base64.b64decode(attached["base64"]) == report
    assert b"buff163" in report


def test_nothing_is_sent_without_a_report(tmp_path: Path) -> None:
    with webhook_receiver() as receiver:
        done = run_line(tmp_path, receiver)
    assert (done.returncode, receiver.received) == (2, [])

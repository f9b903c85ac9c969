"""Every block of the README does what it says: its commands are run in order, against a sandbox.

What cannot be repeated as it stands is replaced: ports, dates, the answers to questions, a key of one's own.
`tests/docs/test_fences.py` runs the fenced blocks.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from pipelines.config import load_settings
from tests.support.snapshots import REDLINE, clean_env
from tests.support.up import free_port
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow
ROOT: Final = Path(__file__).parents[2]
README: Final = (ROOT / "README.md").read_text("utf-8")
BLOCK: Final = re.compile(r"(?:^    .*\n|^\n(?=    ))+", re.MULTILINE)
COMMAND: Final = re.compile(r"(?:make|source|export|curl|floorline) ")
# What is no command: the figure of the design, and what the demo prints.
SHOWN: Final = ("floorline.toml ──>", "2. After 400 quotes")
SANDBOX_KEY: Final = "cs2c_live_sandbox_valid_00000001"
STARTED: Final = {
    "floorline sandbox": "docs/sandbox.md",
    "floorline up": "Scheduled: core",
    "floorline dashboard": "dashboard on",
}


def blocks() -> Iterator[list[str]]:
    """Yield the commands of each block, without their comments."""
    for block in BLOCK.findall(README):
        lines = [line.strip() for line in block.splitlines() if line.strip()]
        if not lines[0].startswith(SHOWN):
            assert all(map(COMMAND.match, lines)), lines
            yield [re.sub(r"\s+# .*", "", line) for line in lines]


BLOCKS: Final = list(blocks())


class Terminals:
    """Runs commands as the README says, in a folder and with servers on free ports."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self.folder = folder
        self._stack = stack
        self._sandbox, self._server, self._dashboard = free_port(), free_port(), free_port()
        self._exports: list[str] = []
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        (folder / ".venv").symlink_to(sys.prefix)

    def run(self, commands: list[str]) -> str:
        """Run the commands of one block; return what they print. Servers go on until the test ends."""
        foreground = [*self._exports, *(line for line in commands if line not in STARTED)]
        self._exports += [line for line in commands if line.startswith("export")]
        setting_up = [line for line in foreground if line.startswith(("source", "export"))]
        printed = self._run_script(foreground)
        for line in commands:
            if line in STARTED:
                self._start(line, setting_up)
        return printed

    def _run_script(self, commands: list[str]) -> str:
        script = "\n".join(["set -e", *map(self.translate, commands)])
        done = subprocess.run(
            ["bash", "-c", script],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self._env(),
            check=False,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
        return done.stdout

    def _start(self, command: str, setting_up: list[str]) -> None:
        script = "\n".join([*map(self.translate, setting_up), f"exec {self.translate(command)}"])
        with self._log(command).open("wb") as output:
            self._running[command] = subprocess.Popen(
                ["bash", "-c", script], stdout=output, stderr=output, cwd=self.folder, env=self._env()
            )
        self._stack.callback(self.end, command)
        self.wait_for(command, STARTED[command])

    def wait_for(self, command: str, text: str) -> None:
        """Wait until a server has printed a text."""
        log, process = self._log(command), self._running[command]
        wait_until(lambda: text in log.read_text("utf-8") or process.poll() is not None, seconds=300)
        assert process.poll() is None, log.read_text("utf-8")

    def _log(self, command: str) -> Path:
        return self.folder / f"{command.split()[1]}.log"

    def end(self, command: str) -> None:
        """End a server, as Ctrl-C in its terminal does."""
        if process := self._running.pop(command, None):
            process.terminate()
            process.wait(120)

    def translate(self, command: str) -> str:
        """Return the command that does here what a command of the README does there."""
        url = f"http://127.0.0.1:{self._sandbox}"
        today = datetime.now(UTC)
        replaced = {
            r"^make demo$": f"make -f {ROOT}/Makefile VENV=.venv -o .venv/ready demo",
            r"^make test$": f"make -C {ROOT} --dry-run test",
            r"^floorline sandbox$": f"floorline sandbox --port {self._sandbox}",
            r"^floorline init --sandbox$": f"floorline init --sandbox --base-url {url} --every 30s",
            r"^floorline init$": f"floorline init --force --base-url {url} --items 'ak redline ft'",
            r"^floorline dashboard$": f"floorline dashboard --no-open --port {self._dashboard}",
            r"^floorline up$": f"floorline up --port {self._server}",
            # On a busy machine, a check may miss its deadline.
            r"^floorline doctor$": "timeout 240 bash -c 'until floorline doctor; do sleep 1; done'",
            r"http://127.0.0.1:8765": url,
            r"CS2C_API_KEY=\.\.\.": f"CS2C_API_KEY={SANDBOX_KEY}",
            r"--from 2026-10-20": f"--from {today - timedelta(days=20):%Y-%m-%d}",
            r"--to 2026-11-20": f"--to {today - timedelta(days=10):%Y-%m-%d}",
        }
        for pattern, text in replaced.items():
            command = re.sub(pattern, lambda _, text=text: text, command)  # type: ignore[misc]
        return command

    def _env(self) -> dict[str, str]:
        return clean_env(HOME=str(self.folder), PATH=f"{sys.prefix}/bin:/usr/bin:/bin")


@pytest.fixture
def terminals(tmp_path: Path) -> Iterator[Terminals]:
    with contextlib.ExitStack() as stack:
        yield Terminals(tmp_path, stack)


def test_every_block_of_the_readme_works(terminals: Terminals) -> None:
    """Run all blocks in order; then the record is there, and so is the alert."""
    printed = {}
    for commands in BLOCKS:
        first = commands[-1]
        if any("revoked" in line for line in commands):
            printed[first] = alert_of_revoked_key(terminals, commands)
        else:
            printed[first] = terminals.run(commands)
        if "floorline init --sandbox" in commands:
            terminals.wait_for("floorline up", "Completed: core: done")
    assert (
        REDLINE
        in printed["floorline query \"SELECT item, provider, price FROM best_ask WHERE currency = 'USD'\""]
    )
    assert "Four flow runs" in printed["make test"]
    assert load_settings(terminals.folder / "floorline.toml").baskets[0].items == (REDLINE,)


def alert_of_revoked_key(terminals: Terminals, commands: list[str]) -> str:
    """Run the commands that revoke the key until its alert is listed; then end `floorline up`.

    Then the sandbox takes the key again, which is the user's own key in the blocks that follow.
    """
    alerts: list[str] = []

    def list_alerts() -> bool:
        alerts.append(terminals.run(commands))
        return "auth.failed" in alerts[-1]

    wait_until(list_alerts, seconds=300)
    terminals.end("floorline up")
    terminals.run([commands[0].replace("revoked", "valid")])
    return alerts[-1]

"""The wheel outside of the clone: all that is needed is in it, for the demo, snapshots, `up` and alerts."""

from __future__ import annotations

import subprocess
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from sandbox.cs2cap.keys import VALID_KEY
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import clean_env
from tests.support.waiting import wait_until
from tests.support.wheels import ROOT, build_wheel, install_wheel

pytestmark = pytest.mark.slow
PACKAGES = ("common", "connectors", "dashboard", "floorline", "flows", "pipelines", "sandbox", "warehouse")
CONFIG = """\
[sources.cs2cap]
base_url = "{url}"
key = "env:CS2C_API_KEY"

[[baskets]]
name = "core"
source = "cs2cap"
items = ["AK-47 | Redline (Field-Tested)"]
providers = ["steam"]
every = "10m"
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_wheel(wheel, tmp_path_factory.mktemp("environment"))


def run(programs: Path, folder: Path, *arguments: str) -> str:
    """Run `floorline` in a folder outside of the clone to its end; return what it printed."""
    done = subprocess.run(
        [programs / "floorline", *arguments],
        cwd=folder,
        env=clean_env(CS2C_API_KEY=VALID_KEY, HOME=str(folder)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_wheel_has_each_file_of_the_packages_and_nothing_else(wheel: Path) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", *PACKAGES],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    with zipfile.ZipFile(wheel) as content:
        names = {name for name in content.namelist() if ".dist-info/" not in name}
        (metadata,) = (name for name in content.namelist() if name.endswith("/METADATA"))
        fields = Parser().parsestr(content.read(metadata).decode())
    assert names == {name for name in tracked if name and (ROOT / name).exists()}
    assert {"flows/automations.yaml", "sandbox/__main__.py"} <= names
    assert (fields["License-Expression"], fields["Description-Content-Type"]) == ("MIT", "text/markdown")
    assert fields.get_payload() == (ROOT / "README.md").read_text("utf-8")


def test_demo_of_the_wheel(programs: Path, tmp_path: Path) -> None:
    origin = "import flows, sandbox, warehouse; print(flows.__file__, sandbox.__file__, warehouse.__file__)"
    places = subprocess.check_output([programs / "python", "-c", origin], cwd=tmp_path, text=True).split()
    assert not [place for place in places if Path(place).is_relative_to(ROOT)]
    assert "Four flow runs in" in run(programs, tmp_path, "demo")


def test_snapshot_schedule_and_alerts_of_the_wheel(
    programs: Path, make_sandbox: MakeSandbox, tmp_path: Path
) -> None:
    box = make_sandbox(limits=True)
    (tmp_path / "floorline.toml").write_text(CONFIG.format(url=box.url), "utf-8")
    assert "done" in run(programs, tmp_path, "snapshot")
    run(programs, tmp_path, "deployments")
    since = len(box.requests)
    with (tmp_path / "up.txt").open("w") as output:
        up = subprocess.Popen(
            [programs / "floorline", "up", "--port", "0"],
            cwd=tmp_path,
            env=clean_env(CS2C_API_KEY=VALID_KEY, HOME=str(tmp_path)),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: "Scheduled: core" in (tmp_path / "up.txt").read_text(), 120)
        run(programs, tmp_path, "prefect", "deployment", "run", "snapshot/core", "--watch")
        assert len(box.requests) > since
        assert "unchanged: floorline: silence of core" in run(programs, tmp_path, "alerts", "apply")
        assert run(programs, tmp_path, "alerts", "list") == "no alert is open\n"
        assert run(programs, tmp_path, "alerts", "check") == "no basket is silent\n"
    finally:
        up.terminate()
        assert up.wait(240) == 143, (tmp_path / "up.txt").read_text()

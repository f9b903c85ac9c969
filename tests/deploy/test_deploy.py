"""The files of `deploy`, by the parsers of those who read them; what has no parser here is skipped."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.snapshots import FLOORLINE, Bench

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
PROGRAM = "/opt/floorline/bin/floorline"
MOST_EXPOSED = 20  # tenths of 10
COMPOSE_FILES = ("compose.yaml", "compose.shared.yaml")
PIN = re.compile(r"^([a-z0-9._-]+==[^ ;]+)", re.MULTILINE)


def program(name: str) -> str:
    """Return the path of a program of this environment or of the machine; skip the test without one."""
    path = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def read_compose_file(name: str) -> dict[str, Any]:
    """Return a compose file with what its anchors repeat, without the anchors' own keys."""
    content: dict[str, Any] = yaml.safe_load((DEPLOY / name).read_text("utf-8"))
    return {key: value for key, value in content.items() if not key.startswith("x-")}


def write_units(folder: Path, *, replace: tuple[str, str] = ("", "")) -> list[Path]:
    """Write the units as they are installed, with the program that is installed here."""
    for unit in UNITS:
        text = unit.read_text("utf-8").replace(PROGRAM, FLOORLINE).replace(*replace)
        (folder / unit.name).write_text(text, "utf-8")
    return sorted(folder.iterdir())


def test_dockerfile_has_no_finding_of_hadolint(tmp_path: Path) -> None:
    hadolint = program("hadolint")
    done = run(hadolint, DEPLOY / "Dockerfile")
    assert (done.returncode, done.stdout) == (0, "")
    worse = tmp_path / "Dockerfile"
    worse.write_text((DEPLOY / "Dockerfile").read_text("utf-8").replace("USER 10001", "USER root"), "utf-8")
    assert "DL3002" in run(hadolint, worse).stdout, "the parser must find a container of root"


@pytest.mark.parametrize("file", COMPOSE_FILES)
def test_compose_file_is_as_specified(file: str) -> None:
    compose_spec = pytest.importorskip("compose_spec")
    text = yaml.safe_dump(read_compose_file(file))  # the parser knows no `<<`
    compose_spec.PyCompose.from_yaml(text).validate()
    with pytest.raises(ValueError, match="restrat"):
        compose_spec.PyCompose.from_yaml(text.replace("restart:", "restrat:"))


@pytest.mark.parametrize("file", COMPOSE_FILES)
def test_compose_file_publishes_on_loopback_only_and_holds_no_secret(file: str) -> None:
    content = read_compose_file(file)
    secrets: dict[str, str] = {}
    for service in content["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        assert not service.get("privileged")
        assert service["security_opt"] == ["no-new-privileges:true"]
        environment = service.get("environment", {})
        secrets |= {
            name: value for name, value in environment.items() if re.search("KEY|PASSWORD|AUTH", name)
        }
        addresses = [re.sub(r"\$\{[^}]*\}", "", value) for value in environment.values()]
        assert not [address for address in addresses if re.search("//[^/@]*:[^/@]+@", address)]
    assert len(secrets) >= 3
    assert {re.sub(r"^floorline:", "", value)[:2] for value in secrets.values()} == {"${"}
    mounted = [volume for one in content["services"].values() for volume in one.get("volumes", [])]
    assert {volume.partition(":")[0] for volume in mounted} - {"./floorline.toml"} == set(content["volumes"])


def test_single_machine_publishes_nothing() -> None:
    services = read_compose_file("compose.yaml")["services"]
    assert not [name for name, service in services.items() if "ports" in service]


def test_prefect_servers_of_the_compose_file_have_the_settings_of_the_guide() -> None:
    guide = (ROOT / "docs" / "how-to-prefect-servers.md").read_text("utf-8")
    (block,) = re.findall(r"^```ini\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    described = dict(line.split("=", 1) for line in block.splitlines())
    services = read_compose_file("compose.shared.yaml")["services"]
    servers = {name: services[name] for name in ("migrate", "api-1", "api-2", "services")}
    for server in servers.values():
        own = {name: str(value) for name, value in server["environment"].items()}
        places = {name for name in described if re.search("URL|AUTH", name)}
        assert places - {"PREFECT_SERVER_DATABASE_CONNECTION_URL"} <= own.keys()
        assert {name: own[name] for name in described if name not in places} == {
            name: value for name, value in described.items() if name not in places
        }
    commands = {name: " ".join(server["command"]) for name, server in servers.items()}
    assert commands["api-1"] == commands["api-2"]
    for command in commands.values():
        assert f"prefect {command.partition(' --host')[0]}" in guide


def test_everything_of_the_compose_file_waits_for_what_it_needs() -> None:
    services = read_compose_file("compose.shared.yaml")["services"]
    waits = {name: {*service.get("depends_on", {})} for name, service in services.items()}
    assert waits["migrate"] == {"postgres"}
    assert waits["api-1"] == {"migrate", "redis"}
    for later in ("api-2", "services", "worker-1", "worker-2"):
        assert "api-1" in waits[later], "the first API server starts alone"
    for service in services.values():
        for needed, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "test" in services[needed]["healthcheck"]


def test_image_is_built_from_what_the_wheel_is_built_from() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    packages = set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    sent = {line[1:] for line in lines if line.startswith("!")}
    assert sent == packages | {"pyproject.toml", "README.md", "LICENSE", "deploy/requirements.lock"}


def test_image_has_the_versions_that_are_tested() -> None:
    image, tested = (set(PIN.findall(path.read_text("utf-8"))) for path in LOCKS)
    assert image <= tested, "run `make lock`"
    assert len(image) > 50
    names = {re.split("[^a-z0-9-]", one)[0] for one in tomllib.loads(PROJECT)["project"]["dependencies"]}
    assert names - {"backports"} <= {one.partition("==")[0] for one in image}, "run `make lock`"


LOCKS = (DEPLOY / "requirements.lock", ROOT / "requirements.lock")
PROJECT = (ROOT / "pyproject.toml").read_text("utf-8")


@pytest.mark.parametrize(
    ("replace", "finding"),
    [
        (("", ""), ""),
        (("Type=exec", "Type=exce"), "service type"),
        (("KillMode=mixed", "KilMode=mixed"), "KilMode"),
        (("OnCalendar=*:0/10", "OnCalendar=tomorow"), "calendar"),
        ((FLOORLINE, "/nowhere/floorline"), "not executable"),
    ],
)
def test_units_have_no_finding_of_systemd(tmp_path: Path, replace: tuple[str, str], finding: str) -> None:
    done = run(program("systemd-analyze"), "verify", *write_units(tmp_path, replace=replace))
    if finding:
        assert finding in done.stderr
    else:
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", [unit.name for unit in UNITS if unit.suffix == ".service"])
def test_services_are_little_exposed(tmp_path: Path, unit: str) -> None:
    write_units(tmp_path)
    arguments = ("security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", tmp_path / unit)
    done = run(program("systemd-analyze"), *arguments)
    assert done.returncode == 0, done.stdout


def test_services_count_the_exit_code_of_sigterm_as_clean() -> None:
    for unit in UNITS:
        if unit.suffix == ".service":
            assert "\nSuccessExitStatus=143\n" in unit.read_text("utf-8")


@pytest.mark.slow
def test_health_of_the_container_is_the_age_of_its_data(bench: Bench) -> None:
    (check,) = re.findall(r"^ +CMD (\[.*\])$", (DEPLOY / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    shell, option, script = json.loads(check)

    def healthy() -> bool:
        command = script.replace("floorline status", f"{FLOORLINE} status --config {bench.config}")
        return run(shell, option, command).returncode == 0

    assert not healthy()
    bench.snapshot()
    assert healthy()
    bench.command("snapshot", "--quiet", check=None, FLOORLINE_SOURCES__CS2CAP__KEY="env:NO_KEY_AT_ALL")
    assert bench.alerts()
    assert healthy()

"""Access to the server of `floorline up`: private files, and which commands get the secret."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from common import supervisor_lock
from common.errors import ConfigError
from common.warehouse_errors import WarehouseUnusable
from floorline.up.access import (
    ServerAccess,
    choose_secret,
    connect_prefect,
    make_private,
    new_secret,
    prefect_home,
    read_access,
    remove_access,
    supervisor_lock_path,
    write_access,
)
from floorline.up.logs import SETTING
from tests.support.json_outputs import read_result
from tests.support.snapshots import main_with, toml

URL = "http://127.0.0.1:4200/api"
SECRET = "floorline:planted"
ACCESS = ServerAccess(URL, SECRET)
AUTH, SERVER_AUTH = "PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a `floorline up` that has started its server; Prefect is not imported."""
    own = ("PREFECT_API_URL", "PREFECT_PROFILE", "NO_PROXY", "no_proxy", AUTH, SERVER_AUTH, SETTING)
    for name in own:
        monkeypatch.setenv(name, "")  # so that the test's end restores it
        monkeypatch.delenv(name)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "user"))
    monkeypatch.delitem(sys.modules, "prefect", raising=False)
    home = prefect_home(tmp_path)
    make_private(home)
    write_access(home, ACCESS)
    return home


@pytest.fixture
def running(home: Path) -> Iterator[Path]:
    """Return the folder of a `floorline up` that is running."""
    with supervisor_lock.hold(supervisor_lock_path(home), 0):
        yield home


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_files_are_private_whatever_the_umask_is(tmp_path: Path) -> None:
    earlier = os.umask(0)
    try:
        home = prefect_home(tmp_path)
        make_private(home)
        write_access(home, ACCESS)
        with supervisor_lock.hold(supervisor_lock_path(home), 0):
            assert read_access(home) == ACCESS
    finally:
        os.umask(earlier)
    assert mode(home) == 0o700
    assert {path.name: mode(path) for path in home.iterdir()} == {"up.json": 0o600, "up.lock": 0o600}


def test_folder_of_an_earlier_version_becomes_private(tmp_path: Path) -> None:
    tmp_path.joinpath("prefect").mkdir(mode=0o755)
    make_private(tmp_path / "prefect")
    assert mode(tmp_path / "prefect") == 0o700


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give a folder away")
@pytest.mark.parametrize("linked", [False, True])
def test_folder_of_another_user_gets_no_secret(tmp_path: Path, linked: bool) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 65534, 65534)
    if linked:
        (tmp_path / "prefect").symlink_to(theirs)
    with pytest.raises(WarehouseUnusable, match="belongs to another user"):
        make_private(tmp_path / "prefect" if linked else theirs)


def test_secrets_differ_and_no_repr_shows_one() -> None:
    assert len({new_secret() for _ in range(100)}) == 100
    assert min(len(new_secret()) for _ in range(100)) >= 50
    assert "planted" not in repr(ACCESS)


@pytest.mark.parametrize(
    "secret", ["planted", ":planted", "me:", "me:pläntedß", "me: planted", "me:planted\n"]
)
def test_users_own_secret_must_fit_into_a_header(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    monkeypatch.setenv(SERVER_AUTH, secret)
    with pytest.raises(ConfigError, match="must be USER:PASSWORD") as error:
        choose_secret()
    assert "lanted" not in str(error.value)


def test_users_own_secret_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SERVER_AUTH, "me:p:w@#1")
    assert choose_secret() == "me:p:w@#1"
    monkeypatch.setenv(SERVER_AUTH, "")
    assert choose_secret().startswith("floorline:")


def test_access_counts_only_while_up_runs(home: Path) -> None:
    assert read_access(home) is None  # killed: whoever listens there now must not get the secret
    with supervisor_lock.hold(supervisor_lock_path(home), 0):
        assert read_access(home) == ACCESS
        remove_access(home)
        assert read_access(home) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"api_url": 1, "secret": 2, "x": 3}', "\x00"])
def test_damaged_access_is_no_access(running: Path, content: str) -> None:
    (running / "up.json").write_text(content)
    assert read_access(running) is None


@pytest.mark.parametrize(
    ("configured", "url", "secret"),
    [
        (None, URL, SECRET),
        (URL, URL, SECRET),
        (
            "http://localhost:4200/api/",
            URL,
            SECRET,
        ),  # localhost may be ::1, of another user
        ("http://127.0.0.1:4201/api", "http://127.0.0.1:4201/api", None),
        ("https://prefect.example/api", "https://prefect.example/api", None),
        ("http://127.0.0.1.evil.example:4200/api", "http://127.0.0.1.evil.example:4200/api", None),
    ],
)
def test_only_the_own_server_gets_the_secret(
    running: Path, monkeypatch: pytest.MonkeyPatch, configured: str | None, url: str, secret: str | None
) -> None:
    if configured:
        monkeypatch.setenv("PREFECT_API_URL", configured)
    connect_prefect(running.parent)
    assert (os.environ["PREFECT_API_URL"], os.environ.get(AUTH)) == (url, secret)
    assert SERVER_AUTH not in os.environ


@pytest.mark.parametrize(
    "address",
    ["http://me:planted/pw@127.0.0.1:4200/api", "http://me:planted@h:x", "planted", "ftp://a:planted@b"],
)
def test_invalid_address_is_one_error_without_the_password(
    home: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", address)
    with pytest.raises(ConfigError, match="is not an http or https address") as error:
        connect_prefect(home.parent)
    assert "planted" not in str(error.value) or address == "planted"


def test_no_proxy_sees_the_secret(running: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "internal.example")
    connect_prefect(running.parent)
    assert os.environ["NO_PROXY"] == os.environ["no_proxy"] == "internal.example,127.0.0.1"


def test_profile_of_the_user_stays(home: Path, tmp_path: Path) -> None:
    (tmp_path / "user").mkdir()
    profile = 'active = "own"\n[profiles.own]\nPREFECT_API_URL = "https://prefect.example/api"\n'
    (tmp_path / "user" / "profiles.toml").write_text(profile)
    connect_prefect(home.parent)
    assert {"PREFECT_API_URL", AUTH, SERVER_AUTH}.isdisjoint(os.environ)


def test_temporary_server_serves_its_process_only(home: Path) -> None:
    connect_prefect(home.parent)
    assert "PREFECT_API_URL" not in os.environ
    assert os.environ[AUTH] == os.environ[SERVER_AUTH] != SECRET


def test_ui_prints_the_password_on_request_only(running: Path) -> None:
    config = running.parent / "floorline.toml"
    config.write_text(toml({"warehouse": {"path": str(running.parent)}}, []))
    shown = main_with("ui", "--config", str(config))
    assert (shown.code, "http://127.0.0.1:4200\n" in shown.out, SECRET in shown.out) == (0, True, True)
    as_json = read_result(main_with("ui", "--json", "--config", str(config)).out)
    assert as_json == {"page": "http://127.0.0.1:4200", "password": SECRET, "dashboard": None}


@pytest.mark.parametrize("command", [["ui"], ["prefect", "version"]])
def test_commands_for_a_server_that_does_not_run(home: Path, command: list[str]) -> None:
    config = home.parent / "floorline.toml"
    config.write_text(toml({"warehouse": {"path": str(home.parent)}}, []))
    done = main_with(*command, "--config", str(config))
    assert (done.code, "no `floorline up` of this user runs" in done.err) == (2, True)
    assert SECRET not in done.out + done.err

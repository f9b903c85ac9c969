"""The address of the Prefect API in files: files that cannot be read, and the profile on request.

`test_prefect_settings.py` compares the address with that of Prefect itself.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from common.errors import ConfigError
from pipelines.prefect_files import read_api_url

URL = "http://127.0.0.1:4200/api"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, without settings of Prefect."""
    for name in ("PREFECT_API_URL", "PREFECT_PROFILE", "PREFECT_PROFILES_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_profile_counts_on_request_only(folder: Path) -> None:
    (folder / "profiles.toml").write_text(f'active = "x"\n[profiles.x]\nPREFECT_API_URL = "{URL}"\n')
    assert read_api_url() == URL
    assert read_api_url(with_profile=False) is None
    (folder / ".env").write_text("PREFECT_API_URL=http://127.0.0.1:9/api\n")
    assert read_api_url(with_profile=False) == "http://127.0.0.1:9/api"


def test_prefect_toml_that_cannot_be_read_is_an_error(folder: Path) -> None:
    (folder / "prefect.toml").write_text("[[[")
    with pytest.raises(ConfigError, match=r"prefect\.toml cannot be read"):
        read_api_url()


@pytest.mark.parametrize("name", ["pyproject.toml", ".env", "profiles.toml"])
def test_other_files_that_cannot_be_read_name_no_api(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"\xff\xfe[[[")
    assert read_api_url() is None

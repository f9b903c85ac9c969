"""Settings of Prefect that cannot be used are one line with what to check, and no value of them is shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flows.prefect_api import prefect_url
from tests.support.prefect_imports import Case, import_with

PROFILE = 'active = "x"\n[profiles.x]\n'
OTHERS = {"home/profiles.toml": PROFILE + 'PREFECT_API_URL = "http://profile/api"'}
CHECK = r"Prefect's settings cannot be used( \(\w+\))?: check the PREFECT_\.\.\. variables, .*/profiles\.toml"
LOST = r"(prefect|pyproject)\.toml cannot be read, and may have settings of Prefect"
# All but the guards are new: Prefect printed several lines with the values, and the rest was called a bug of
# Floorline, or was ignored.
CASES: dict[str, tuple[Case, str]] = {
    "profiles: no TOML": ({"home/profiles.toml": "[[["}, CHECK),
    "profiles: no table": ({"home/profiles.toml": "profiles = 3"}, CHECK),
    "profiles: a value": ({"home/profiles.toml": PROFILE + 'PREFECT_CLIENT_MAX_RETRIES = "planted"'}, CHECK),
    "profiles: none of the name": ({"PREFECT_PROFILE=": "nobody"}, "profile nobody, which .* lacks"),
    "guard: profiles: fine": ({"home/profiles.toml": PROFILE + "PREFECT_CLIENT_MAX_RETRIES = 3"}, "$"),
    "prefect.toml: no TOML": ({"prefect.toml": "[[["}, LOST),
    "pyproject.toml: no table": ({"pyproject.toml": "tool = 3"}, LOST),
    "guard: pyproject.toml: of others": ({"pyproject.toml": "[tool.x]\nprefect = 3"}, "$"),
    ".env: a value": ({".env": "PREFECT_CLIENT_MAX_RETRIES=planted"}, CHECK),
    "logging.yml: no handlers": ({"home/logging.yml": "handlers: 3"}, "is not a logging configuration"),
    "environment: a value": ({"PREFECT_CLIENT_MAX_RETRIES=": "planted"}, CHECK),
    "home: a file": ({"home": ""}, "Prefect cannot write to .*/home: .*: set PREFECT_HOME"),
    "database: no address": (
        {"PREFECT_API_DATABASE_CONNECTION_URL=": "nonsense:planted"},
        "is no address of a database",
    ),
    "home: a question mark": ({"PREFECT_HOME=": "{folder}/a?b"}, "a question mark.*: set PREFECT_HOME"),
    "guard: home: an API elsewhere": ({"home": "", "PREFECT_API_URL=": "http://127.0.0.1:9/api"}, "uses"),
    # Of the places of the API's address: only the environment and the profile counted.
    **{
        f"new: API in {place}": ({**OTHERS, name: text.format(url="http://one/api")}, "uses http://one/api$")
        for place, name, text in (
            ("a variable", "PREFECT_API_URL=", "{url}"),
            ("a variable in small letters", "prefect_api_url=", "{url}"),
            (".env", ".env", "export PREFECT_API_URL='{url}' # a comment"),
            (".env in small letters", ".env", "prefect_api_url={url}"),
            ("prefect.toml", "prefect.toml", 'api.url = "{url}"'),
            ("pyproject.toml", "pyproject.toml", '[tool.prefect.api]\nurl = "{url}"'),
        )
    },
    "guard: API in a profile": (OTHERS, "uses http://profile/api$"),
    "new: API in a profile of another file": (
        {
            **OTHERS,
            ".env": "PREFECT_PROFILES_PATH=p.toml",
            "p.toml": PROFILE + 'PREFECT_API_URL = "http://p"',
        },
        "uses http://p$",
    ),
    "new: the environment precedes .env": (
        {"PREFECT_API_URL=": "http://variable", ".env": "PREFECT_API_URL=http://file"},
        "uses http://variable$",
    ),
    "new: .env precedes prefect.toml": (
        {".env": "PREFECT_API_URL=http://file", "prefect.toml": 'api.url = "http://toml"'},
        "uses http://file$",
    ),
    "new: prefect.toml precedes pyproject.toml": (
        {"prefect.toml": 'api.url = "http://a"', "pyproject.toml": 'tool.prefect.api.url = "http://b"'},
        "uses http://a$",
    ),
    "new: an empty variable is no API": ({**OTHERS, "PREFECT_API_URL=": ""}, "$"),
    "new: an empty line of .env is no API": ({**OTHERS, ".env": "PREFECT_API_URL="}, "$"),
}


@pytest.mark.slow
def test_settings_that_cannot_be_used_are_one_line() -> None:
    results = import_with([case for case, _ in CASES.values()])
    for (message, printed), (name, (_, expected)) in zip(results, CASES.items(), strict=True):
        assert re.match(expected, message) if expected == "$" else re.search(expected, message), (
            name,
            message,
        )
        assert printed == "", name
        assert "planted" not in message
        assert "\n" not in message


@pytest.mark.parametrize(
    "text", ["[[[", "profiles = 3", 'active = "x"\n[profiles]\nx = 3', 'active = ["x"]\n[profiles.x]\na = 3']
)
def test_profiles_that_cannot_be_used_configure_no_api(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """New, but for the first one: every command ended with a traceback."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.delenv("PREFECT_PROFILE", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    (tmp_path / "profiles.toml").write_text(text)
    assert prefect_url() is None

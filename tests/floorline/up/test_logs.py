"""The logging configuration of the processes of `floorline up`."""

from __future__ import annotations

import logging
import logging.config
from pathlib import Path

import pytest
import yaml

from common.errors import ConfigError
from floorline.up.logs import SETTING, write_logging_config

FILTERS = ("floorline_secrets", "floorline_locks")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    for name in (SETTING, "PREFECT_LOGGING_SETTINGS_PATH"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_every_handler_of_prefect_has_the_filter(home: Path) -> None:
    config = yaml.safe_load(write_logging_config(home).read_text())
    assert {"console", "api", "worker_api", "debug"} <= config["handlers"].keys()
    assert {tuple(handler["filters"]) for handler in config["handlers"].values()} == {FILTERS}
    assert "${PREFECT_LOGGING_LEVEL}" in yaml.safe_dump(config)
    assert write_logging_config(home).read_text() == yaml.safe_dump(config, sort_keys=False)


@pytest.mark.parametrize("setting", [None, SETTING, "PREFECT_LOGGING_SETTINGS_PATH"])
def test_users_own_configuration_is_kept_and_filtered(
    home: Path, monkeypatch: pytest.MonkeyPatch, setting: str | None
) -> None:
    own = home / ("own.yml" if setting else "logging.yml")
    own.write_text(
        "{version: 1, handlers: {mine: {class: logging.StreamHandler}}, root: {handlers: [mine]}, "
        "disable_existing_loggers: false}"
    )
    if setting:
        monkeypatch.setenv(setting, str(own))
    config = yaml.safe_load(write_logging_config(home).read_text())
    assert config["root"] == {"handlers": ["mine"]}
    assert config["handlers"]["mine"]["filters"] == list(FILTERS)
    assert config["filters"]["floorline_secrets"] == {"()": "common.logs.SecretsFilter"}
    for name in FILTERS:
        logging.config.DictConfigurator(config).configure_filter(config["filters"][name])


@pytest.mark.parametrize("content", ["", "[]", "handlers: 3", "handlers: {a: 1}", "{", "\x00"])
def test_file_that_is_no_configuration_is_one_error(home: Path, content: str) -> None:
    (home / "logging.yml").write_text(content)
    with pytest.raises(ConfigError, match="is not a logging configuration"):
        write_logging_config(home)


def test_home_folder_that_nobody_knows_is_one_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New: a traceback."""
    monkeypatch.setenv(SETTING, "~nobody-has-this-name/own.yml")
    with pytest.raises(ConfigError, match="no home folder is known for ~nobody"):
        write_logging_config(home)

"""The table [shared]: what it accepts, where the database's address is read, and that no text shows it."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from common.errors import ConfigError
from pipelines.config import Settings, load_settings, parse_settings
from pipelines.config.effective import describe_settings, render_settings

URL = "postgresql://floorline:hunter22@db.example/market"
STORAGE = "s3://market/floorline"


def parse(base: Path = Path("/srv"), **shared: Any) -> Settings:
    return parse_settings({"shared": {"database": "env:MARKET_DB", "storage": STORAGE, **shared}}, base)


def test_one_machine_shares_nothing() -> None:
    settings = parse_settings({}, Path("/srv"))
    assert settings.paths.root == Path("/srv/data")
    assert settings.paths.shared is None
    assert "shared" not in render_settings(settings)
    assert "shared" not in describe_settings(settings)


def test_address_is_read_where_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "address").write_text(f"{URL}\n")
    (tmp_path / "address").chmod(0o600)
    monkeypatch.setenv("MARKET_DB", f" {URL} ")
    own = "postgresql://db.example:5432/market"
    for place, address in {"env:MARKET_DB": URL, "file:address": URL, own: own}.items():
        shared = parse(tmp_path, database=place).paths.shared
        assert shared is not None
        assert shared.read_database_url() == address


def test_no_text_shows_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKET_DB", URL)
    settings = parse(endpoint="https://s3.example/", load=False)
    shared = settings.paths.shared
    assert shared is not None
    assert (shared.storage, shared.endpoint, shared.load) == (STORAGE, "https://s3.example", False)
    assert shared.read_database_url() == URL
    copied = pickle.dumps(settings.paths)
    assert pickle.loads(copied) == settings.paths  # noqa: S301 - what this test has written
    assert b"hunter22" not in copied
    for text in (repr(settings), repr(settings.paths), str(shared), render_settings(settings)):
        assert "hunter22" not in text
    assert 'database = "env:MARKET_DB"\n' in render_settings(settings)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "[shared] database: the environment variable MARKET_DB is not set"),
        ("mysql://u:hunter22@h/d", "what env:MARKET_DB holds is no address of a PostgreSQL database"),
        ("postgresql://u:hunter22@h:x/d", "what env:MARKET_DB holds is no address"),
        ("postgresql://u:hunter22 @h/d", "what env:MARKET_DB holds is no address"),
    ],
)
def test_wrong_address_is_reported_without_being_shown(
    monkeypatch: pytest.MonkeyPatch, value: str | None, message: str
) -> None:
    monkeypatch.delenv("MARKET_DB", raising=False)
    if value is not None:
        monkeypatch.setenv("MARKET_DB", value)
    shared = parse().paths.shared
    assert shared is not None
    with pytest.raises(ConfigError) as caught:
        shared.read_database_url()
    assert message in str(caught.value)
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f'database = "{URL}"', "line 2 has the address of a database with a password"),
        (f'storage = "s3://m"  # {URL}', "line 2 has the address of a database with a password"),
        ('database = "postgresql://h/d?user=u&password=hunter22"', "line 2 has the address of a database"),
        ('database = "mysql://h/d"', "line 2: [shared] database must say where the address"),
        ('database = "env:MARKET_DB"', "line 1: [shared] storage is missing"),
        ('database = "env:DB"\nstorage = "/mnt/m"', "line 3: [shared] storage must be a bucket or a folder"),
        ('database = "env:DB"\nstorage = "file://m"', "line 3: [shared] storage must be a bucket or"),
        ('database = "env:DB"\nstorage = "s3://"', "line 3: [shared] storage must be a bucket or a folder"),
        ('db = "env:DB"', "line 2: [shared] db is no key of this table"),
        (
            'database = "env:DB"\nstorage = "s3://market"\nendpoint = "https://u:hunter22@h"',
            "line 4: [shared] endpoint must be the address of an S3 server",
        ),
    ],
)
def test_wrong_table_is_reported_without_a_secret(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "floorline.toml"
    path.write_text(f"[shared]\n{line}\n")
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert message in str(caught.value)
    assert "hunter22" not in str(caught.value)


def test_variables_make_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOORLINE_SHARED__DATABASE", "env:FLOORLINE_DATABASE_URL")
    monkeypatch.setenv("FLOORLINE_SHARED__STORAGE", "file:///mnt/market")
    monkeypatch.setenv("FLOORLINE_DATABASE_URL", URL)
    shared = parse_settings({}, Path("/srv")).paths.shared
    assert shared is not None
    assert (shared.read_database_url(), shared.storage) == (URL, "file:///mnt/market")

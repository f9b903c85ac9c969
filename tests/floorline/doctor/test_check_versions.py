"""The doctor's checks of versions."""

from __future__ import annotations

import pytest

from floorline.doctor.check_versions import check_versions, installed_versions

GOOD = {
    "python": "3.11.7", "duckdb": "1.5.5", "prefect": "3.8.8", "fastapi": "0.150.0", "sqlalchemy": "2.0.58",
}  # fmt: skip


def verdicts(**versions: str) -> dict[str, str]:
    return {finding.name: finding.verdict for finding in check_versions({**GOOD, **versions})}


def test_installed_versions_are_supported() -> None:
    assert {finding.verdict for finding in check_versions(installed_versions())} == {"ok"}


@pytest.mark.parametrize("fastapi", ["0.151.0", "0.155.2", "1.0.0"])
def test_unsupported_fastapi(fastapi: str) -> None:
    (prefect,) = [one for one in check_versions({**GOOD, "fastapi": fastapi}) if one.name == "prefect"]
    assert prefect.verdict == "fail"
    assert f"fastapi {fastapi}" in prefect.seen
    assert prefect.advice == "pip install 'fastapi<0.151'"


def test_unsupported_sqlalchemy() -> None:
    (prefect,) = [one for one in check_versions({**GOOD, "sqlalchemy": "2.1.9"}) if one.name == "prefect"]
    assert (prefect.verdict, prefect.advice) == ("fail", "pip install 'sqlalchemy<2.1'")


@pytest.mark.parametrize("fastapi", ["0.150.9", "0.139.0", "0.15.1"])
def test_supported_fastapi(fastapi: str) -> None:
    assert verdicts(fastapi=fastapi)["prefect"] == "ok"


def test_fastapi_is_not_checked_for_another_version_of_prefect() -> None:
    assert verdicts(prefect="3.9.1", fastapi="0.160.0")["prefect"] == "warn"


@pytest.mark.parametrize(
    ("name", "version", "verdict"),
    [
        ("python", "3.10.14", "fail"),
        ("python", "3.12.1", "ok"),
        ("python", "3.13.0", "ok"),
        ("python", "3.14.0", "warn"),
        ("duckdb", "1.4.4", "fail"),
        ("duckdb", "1.6.0", "fail"),
        ("duckdb", "1.5.6", "ok"),
    ],
)
def test_python_and_duckdb(name: str, version: str, verdict: str) -> None:
    assert verdicts(**{name: version})[name] == verdict

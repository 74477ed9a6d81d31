"""What scripts/release makes of pyproject.toml. It tries its files itself: scripts/release --try."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from documents import read
from scripts import script


@pytest.fixture(scope="module")
def release() -> Any:
    return script("release")


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(read("pyproject.toml"))["project"]
    return found


def test_debian_has_what_the_project_requires(release: Any, project: dict[str, Any]) -> None:
    said = release.debian_dependencies(project["dependencies"], project["requires-python"])
    assert said.startswith("python3 (>= 3.11), ")
    for requirement in project["dependencies"]:
        name, _, oldest = requirement.partition(">=")
        assert f"python3-{release.DEBIAN_NAMES.get(name, name)} (>= {oldest})" in said


def test_a_requirement_that_debian_may_not_have_is_said(release: Any) -> None:
    with pytest.raises(SystemExit, match="somewhat"):
        release.debian_dependencies(["somewhat>1,<2"], ">=3.11")


def test_what_is_bundled_is_required(release: Any, project: dict[str, Any]) -> None:
    for name in release.BUNDLED:
        assert any(requirement.startswith(name) for requirement in project["dependencies"])


def test_the_one_file_says_what_it_lacks(
    release: Any, monkeypatch: pytest.MonkeyPatch, project: dict[str, Any]
) -> None:
    import cryptography

    scope: dict[str, Any] = {}
    exec(release.ONE_FILE.format(oldest=43), scope)  # noqa: S102  (our own)
    monkeypatch.setattr(cryptography, "__version__", "38.0.4")
    with pytest.raises(SystemExit, match=r"has cryptography 38\.0\.4.*43 or newer.*python3-cryptography"):
        scope["run"]()
    monkeypatch.setitem(__import__("sys").modules, "cryptography", None)
    with pytest.raises(SystemExit, match="has no cryptography"):
        scope["run"]()


def test_the_source_has_what_is_in_the_repository() -> None:
    inside = tomllib.loads(read("pyproject.toml"))["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    for name in (
        "CHANGELOG.md",
        "SECURITY.md",
        "docs",
        "examples",
        "images",
        "man",
        "scripts",
        "src",
        "tests",
    ):
        assert name in inside

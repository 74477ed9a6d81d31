from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.engine.credentials import HUB_KEY, Credentials, find
from dinv.engine.reference import parse_reference
from dinv.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def _auth(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def _find(directory: Path, config: Any, image: str = "reg.example:5000/a") -> dict[str, str] | None:
    (directory / "config.json").write_text(json.dumps(config))
    found = find(parse_reference(image), str(directory))
    return found.fields() if found else None


def _helper(directory: Path, name: str, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = directory / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")


def test_none(tmp_path: Path) -> None:
    assert find(parse_reference("busybox"), str(tmp_path)) is None
    assert _find(tmp_path, {}) is None
    assert _find(tmp_path, {"auths": {"other.example": {"auth": _auth("me", "pw")}}}) is None
    assert _find(tmp_path, {"auths": {"reg.example:5000": {}}}) is None


@pytest.mark.parametrize(
    "key", ["reg.example:5000", "https://reg.example:5000", "http://reg.example:5000/v2/"]
)
def test_auths(tmp_path: Path, key: str) -> None:
    assert _find(tmp_path, {"auths": {key: {"auth": _auth("me", "p:w")}}}) == {
        "username": "me",
        "password": "p:w",
        "serveraddress": "reg.example:5000",
    }


@pytest.mark.parametrize("key", [HUB_KEY, "docker.io", "index.docker.io"])
def test_docker_hub(tmp_path: Path, key: str) -> None:
    found = _find(tmp_path, {"auths": {key: {"auth": _auth("me", "pw")}}}, "busybox")
    assert found == {"username": "me", "password": "pw", "serveraddress": HUB_KEY}


def test_identity_token(tmp_path: Path) -> None:
    found = _find(tmp_path, {"auths": {"reg.example:5000": {"identitytoken": "tok"}}})
    assert found == {"identitytoken": "tok", "serveraddress": "reg.example:5000"}


def test_environment_names_the_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").write_text(
        json.dumps({"auths": {"h:1": {"username": "me", "password": "pw"}}})
    )
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    found = find(parse_reference("h:1/a"))
    assert found is not None
    assert found.fields()["username"] == "me"


@pytest.mark.parametrize(
    "config", [{"credsStore": "x"}, {"credHelpers": {"reg.example:5000": "x"}, "credsStore": "y"}]
)
def test_helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: Any) -> None:
    _helper(
        tmp_path,
        "x",
        'read -r url; test "$1" = get && printf \'{"ServerURL":"%s","Username":"me","Secret":"pw"}\' "$url"',
        monkeypatch,
    )
    assert _find(tmp_path, config) == {
        "username": "me",
        "password": "pw",
        "serveraddress": "reg.example:5000",
    }


def test_helper_with_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _helper(tmp_path, "x", 'echo \'{"Username":"<token>","Secret":"tok"}\'', monkeypatch)
    assert _find(tmp_path, {"credsStore": "x"}) == {
        "identitytoken": "tok",
        "serveraddress": "reg.example:5000",
    }


def test_helper_for_docker_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _helper(tmp_path, "x", 'read -r s; printf \'{"Username":"me","Secret":"%s"}\' "$s"', monkeypatch)
    found = _find(tmp_path, {"credHelpers": {"docker.io": "x"}}, "busybox")
    assert found is not None
    assert found["password"] == HUB_KEY


def test_helper_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _helper(tmp_path, "x", 'echo "credentials not found in native keychain"; exit 1', monkeypatch)
    assert _find(tmp_path, {"credsStore": "x"}) is None


def test_helper_is_not_installed(tmp_path: Path) -> None:
    assert _find(tmp_path, {"credsStore": "surely-not-installed"}) is None


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo the keyring is locked; exit 1", "failed for reg.example:5000: the keyring is locked"),
        ("echo on stderr >&2; exit 3", "on stderr"),
        ("exit 4", "status 4"),
        ("echo nonsense", "no usable answer"),
        ('echo \'{"Username":"me"}\'', "no usable answer"),
    ],
)
def test_helper_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, why: str) -> None:
    _helper(tmp_path, "x", script, monkeypatch)
    with pytest.raises(InputError, match=why):
        _find(tmp_path, {"credsStore": "x"})


def test_helper_with_a_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not the name of a credential helper"):
        _find(tmp_path, {"credsStore": "../../evil"})


def test_broken_files(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text("{")
    with pytest.raises(InputError, match="is not JSON"):
        find(parse_reference("a"), str(tmp_path))
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        find(parse_reference("a"), str(tmp_path))


@pytest.mark.parametrize("auth", ["!!!", "bm9jb2xvbg==", "/w=="])
def test_broken_auth_is_not_repeated(tmp_path: Path, auth: str) -> None:
    with pytest.raises(InputError, match="not base64") as caught:
        _find(tmp_path, {"auths": {"reg.example:5000": {"auth": auth}}})
    assert auth not in str(caught.value)


@given(st.text(max_size=20), st.text(max_size=20))
def test_header_round_trip(user: str, password: str) -> None:
    credentials = Credentials("h", username=user, password=password)
    fields = json.loads(base64.urlsafe_b64decode(credentials.header()))
    assert fields.pop("serveraddress") == "h"
    assert fields == {k: v for k, v in {"username": user, "password": password}.items() if v}
    assert repr(credentials) == "Credentials('h', ...)"

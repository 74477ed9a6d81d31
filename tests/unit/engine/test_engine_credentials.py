from __future__ import annotations

import base64
import json
import os
import pathlib
import re
import tempfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.engine import credentials
from dinv.engine.credentials import HUB_KEY, Credentials, find
from dinv.engine.reference import parse_reference

if TYPE_CHECKING:
    from pathlib import Path


def _auth(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def _look(directory: Path, image: str, **environ: str) -> tuple[dict[str, str] | None, str]:
    said: list[str] = []
    found = find(parse_reference(image), str(directory), warn=said.append, environ=environ)
    return found.fields() if found else None, "; ".join(said)


def _find(directory: Path, config: Any, image: str = "reg.example:5000/a") -> dict[str, str] | None:
    """The credentials, from a configuration that nothing is to be said of."""
    (directory / "config.json").write_text(json.dumps(config))
    found, said = _look(directory, image)
    assert not said
    return found


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


def test_a_registry_without_a_helper_of_the_general_ones(tmp_path: Path) -> None:
    config = {"credHelpers": {"reg.example:5000": ""}, "credsStore": "nosuch"}
    config["auths"] = {"reg.example:5000": {"auth": _auth("me", "pw")}}
    found = _find(tmp_path, config)
    assert found is not None
    assert found["username"] == "me"


@pytest.mark.parametrize("words", ["{}", '{"ServerURL":"h","Username":"","Secret":""}'])
def test_helper_with_an_empty_answer_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    _helper(tmp_path, "x", f"echo '{words}'", monkeypatch)
    assert _find(tmp_path, {"credsStore": "x"}) is None


@pytest.mark.parametrize("auths", [{}, {"reg.example:5000": {"auth": _auth("me", "pw")}}])
@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo the keyring is locked; exit 1", "failed for reg.example:5000 .the keyring is locked"),
        ("echo on stderr >&2; exit 3", "on stderr"),
        ("echo no credentials server URL; exit 1", "no credentials server URL"),
        ("exit 4", "status 4"),
        ("kill -9 $$", "status -9"),
        ("echo nonsense secret", "no usable answer"),
        ("echo []", "no usable answer"),
        ("head -c 200000 /dev/zero | tr '\\0' '['", "no usable answer"),
        ("printf '\\377'", "no usable answer"),
        ('echo \'{"Username":"me"}\'', "no usable answer"),
        ("exec sleep 60", "did not answer within"),
        ("sleep 60", "did not answer within"),
    ],
)
def test_a_helper_that_fails_is_said_and_does_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, why: str, auths: dict[str, Any]
) -> None:
    """As docker does: what the file itself has is taken then, which is mostly nothing."""
    monkeypatch.setattr(credentials, "_HELPER_SECONDS", 0.3 if "sleep" in script else 30)
    _helper(tmp_path, "x", script, monkeypatch)
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": "x", "auths": auths}))
    found, said = _look(tmp_path, "reg.example:5000/a")
    assert re.search(f"docker-credential-x .*{why}", said)
    assert "secret" not in said
    assert (found or {}).get("username") == ("me" if auths else None)


@pytest.mark.parametrize("name", ["../../evil", "/bin/sh", "a\0b"])
def test_helper_with_a_path_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": name}))
    found, said = _look(tmp_path, "reg.example:5000/a")
    assert found is None
    assert "not the name of a credential helper" in said


@pytest.mark.parametrize("wrong", ["program", "directory", "nothing"])
def test_a_helper_that_cannot_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    path = tmp_path / "docker-credential-x.exe"
    monkeypatch.setenv("PATH", str(tmp_path))
    if wrong == "directory":
        path.mkdir()
    elif wrong == "program":  # a Windows program, as under WSL
        path.write_bytes(b"MZ\x90\x00\x03")
        path.chmod(0o755)
    (tmp_path / "config.json").write_text('{"credsStore": "x.exe"}')
    found, said = _look(tmp_path, "reg.example:5000/a")
    assert found is None
    assert "docker-credential-x.exe" in said


GOOD = json.dumps({"auths": {"reg.example:5000": {"auth": _auth("me", "pw")}}})


@pytest.mark.parametrize(
    "content",
    [
        GOOD.encode("utf-8-sig"),
        b"\n\t " + GOOD.encode() + b"\n// what comes after it, Go's decoder leaves alone",
        GOOD.replace("auths", "AUTHS").encode(),
        b'{"unknown": [1], "credsStore": 7, "credHelpers": "no", ' + GOOD[1:].encode(),
        b'{"psFormat": "a\tb\xff", ' + GOOD[1:].encode(),
        b'{"auths": {"other": 3, "reg.example:5000": {"auth": "bWU6\\ncHc="}}}',
    ],
)
def test_files_as_people_leave_them(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    found, said = _look(tmp_path, "reg.example:5000/a")
    assert not said
    assert found is not None
    assert (found["username"], found["password"]) == ("me", "pw")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "not JSON"),
        (b"// mine\n{}", "not JSON"),
        (GOOD.encode("utf-16"), "UTF-16"),
        (b"[]", "not a JSON object"),
        (b"[" * 200000, "nested too deep"),
        (None, "Is a directory"),
    ],
)
def test_a_file_that_cannot_be_used_is_said_and_does_without(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    path = tmp_path / "config.json"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    found, said = _look(tmp_path, "reg.example:5000/a")
    assert found is None
    assert why in said
    assert str(path) in said


def test_an_empty_file_is_none_at_all(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(b"\n")
    assert _look(tmp_path, "a") == (None, "")


@pytest.mark.parametrize("auth", ["!!!", "bm9jb2xvbg==", "/w==", "OnB3"])
def test_broken_auth_is_not_repeated(tmp_path: Path, auth: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"reg.example:5000": {"auth": auth}}}))
    found, said = _look(tmp_path, "reg.example:5000/a")
    assert found is None
    assert "not base64 of USER:PASSWORD" in said
    assert auth not in said


def test_the_variable_comes_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(GOOD)
    value = json.dumps({"auths": {"reg.example:5000": {"auth": _auth("ci", "token")}}})
    found, said = _look(tmp_path, "reg.example:5000/a", DOCKER_AUTH_CONFIG=value)
    assert not said
    assert found == {"username": "ci", "password": "token", "serveraddress": "reg.example:5000"}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("", ""),
        ("{}", ""),
        ('{"auths": {"other": {"auth": "bWU6cHc="}}}', ""),
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"auths": {"reg.example:5000": {"auth": "!!!"}}}', "not base64"),
    ],
)
def test_a_variable_that_says_nothing_of_it_leaves_it_to_the_file(
    tmp_path: Path, value: str, why: str
) -> None:
    (tmp_path / "config.json").write_text(GOOD)
    found, said = _look(tmp_path, "reg.example:5000/a", DOCKER_AUTH_CONFIG=value)
    assert found is not None
    assert found["username"] == "me"
    assert why in said
    assert ("DOCKER_AUTH_CONFIG" in said) is bool(why)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "x", _auth("me", "pw")]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["auths", "auth", "h:1", "https://h:1/v2/", "username", "identitytoken"]), inner
        )
    ),
    max_leaves=6,
)


@given(JSON, JSON)
def test_any_json_has_credentials_or_none(config: Any, variable: Any) -> None:
    with tempfile.TemporaryDirectory() as directory:
        folder = pathlib.Path(directory)
        (folder / "config.json").write_text(json.dumps(config))
        found, _ = _look(folder, "h:1/a", DOCKER_AUTH_CONFIG=json.dumps(variable))
    assert found is None or found["serveraddress"] == "h:1"


@given(st.text(max_size=20), st.text(max_size=20))
def test_header_round_trip(user: str, password: str) -> None:
    made = Credentials("h", username=user, password=password)
    fields = json.loads(base64.urlsafe_b64decode(made.header()))
    assert fields.pop("serveraddress") == "h"
    assert fields == {k: v for k, v in {"username": user, "password": password}.items() if v}
    assert repr(made) == "Credentials('h', ...)"

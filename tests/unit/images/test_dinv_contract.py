"""dinv's own image: which files it is given, and what it cannot be given."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.errors import InputError
from dinv.images import features, find, recognise
from dinv.images.dinv import DinvContract
from dinv.labels import LABEL_CONTRACT, LABEL_FEATURES

if TYPE_CHECKING:
    from dinv.channel import File

LINE = st.text(st.characters(exclude_characters="\n\0", exclude_categories=["Cs"]), max_size=12)


def files(options: dict[str, Any]) -> dict[str, File]:
    found = DinvContract().files(
        ca=b"CA", certificate=b"CERT", key=b"KEY", options=options, driver_name="docker"
    )
    return {file.path: file for file in found}


def test_it_is_found_by_its_name_and_its_label() -> None:
    assert isinstance(find("dinv"), DinvContract)
    assert recognise({"Labels": {LABEL_CONTRACT: "dinv"}}) == "dinv"
    assert recognise({}) == ""
    assert recognise({"Labels": None}) == ""
    with pytest.raises(InputError, match="nosuch"):
        find("nosuch")


def test_keys_and_what_may_hold_a_password_are_roots_alone() -> None:
    found = files({"Env": ["HTTPS_PROXY=http://me:secret@proxy"]})
    assert {path: file.content for path, file in found.items() if path.startswith("/etc/dinv/certs/")} == {
        "/etc/dinv/certs/ca.pem": b"CA",
        "/etc/dinv/certs/server.pem": b"CERT",
        "/etc/dinv/certs/server-key.pem": b"KEY",
    }
    private = {path for path, file in found.items() if not file.mode & 0o077}
    assert private == {"/etc/dinv/certs/server-key.pem", "/etc/dinv/dockerd.env"}


def test_the_key_comes_last_for_it_is_waited_for() -> None:
    assert list(files({}))[-1] == "/etc/dinv/certs/server-key.pem"


def test_an_argument_is_a_line() -> None:
    found = files({"Labels": ["a=b c"], "ArbitraryFlags": ["debug"]})
    assert found["/etc/dinv/dockerd.args"].content == b"--label=provider=docker\n--label=a=b c\n--debug\n"


def test_what_a_daemon_can_reload_is_in_a_file_of_its_own() -> None:
    options = {
        "Labels": ["a=1"],
        "RegistryMirror": ["https://m"],
        "InsecureRegistry": ["r:5000"],
        "ArbitraryFlags": ["debug", "max-concurrent-downloads=7", "mtu=1400", "label=b=1", "debug=maybe"],
    }
    found = files(options)
    assert json.loads(found["/etc/dinv/daemon.json"].content) == {
        "labels": ["provider=docker", "a=1", "b=1"],
        "registry-mirrors": ["https://m"],
        "insecure-registries": ["r:5000"],
        "debug": True,
        "max-concurrent-downloads": 7,
    }
    # An image that has no such file takes all of them as arguments.
    assert b"--label=a=1\n" in found["/etc/dinv/dockerd.args"].content
    assert json.loads(files({})["/etc/dinv/daemon.json"].content)["registry-mirrors"] == []


@pytest.mark.parametrize(
    ("before", "after", "reloads"),
    [
        ({"Labels": ["a=1"]}, {"Labels": []}, True),
        ({}, {"RegistryMirror": ["https://m"], "InsecureRegistry": ["r"]}, True),
        ({"ArbitraryFlags": ["debug"]}, {"ArbitraryFlags": []}, True),
        ({"ArbitraryFlags": ["debug=false"]}, {"ArbitraryFlags": ["debug=1"]}, True),
        ({"ArbitraryFlags": ["max-concurrent-uploads=1"]}, {}, True),
        ({}, {"ArbitraryFlags": ["shutdown-timeout=60"]}, True),
        ({"ArbitraryFlags": ["shutdown-timeout=60"]}, {}, False),  # it would keep what it has
        ({}, {"ArbitraryFlags": ["mtu=1400"]}, False),
        ({}, {"ArbitraryFlags": ["debug=maybe"]}, False),
        ({"Labels": ["a=1"]}, {"Labels": [], "Env": ["A=1"]}, False),
        ({}, {"Labels": ["a=1"], "StorageDriver": "vfs"}, False),
    ],
)
def test_what_can_be_reloaded(*, before: dict[str, Any], after: dict[str, Any], reloads: bool) -> None:
    assert DinvContract().reloads(before, after) is reloads


@given(st.lists(LINE), st.dictionaries(st.from_regex(r"[A-Z_]{1,5}", fullmatch=True), LINE))
def test_what_is_given_can_be_read_line_by_line(flags: list[str], variables: dict[str, str]) -> None:
    env = [f"{name}={value}" for name, value in variables.items()]
    found = files({"ArbitraryFlags": flags, "Env": env})
    assert found["/etc/dinv/dockerd.args"].content.decode().split("\n")[1:-1] == [
        f"--{flag}" for flag in flags
    ]
    assert found["/etc/dinv/dockerd.env"].content.decode().split("\n")[:-1] == env


@pytest.mark.parametrize("bad", ["a\nhosts=x", "a\0"])
def test_a_line_break_is_refused_before_anything_is_made(bad: str) -> None:
    with pytest.raises(InputError, match="line break"):
        DinvContract().command({"ArbitraryFlags": [bad]}, "docker")
    with pytest.raises(InputError):
        files({"ArbitraryFlags": [bad]})


def test_a_refused_variable_is_shown_without_its_value() -> None:
    with pytest.raises(InputError, match="HTTPS_PROXY") as caught:
        DinvContract().command({"Env": ["HTTPS_PROXY=http://me:secret@proxy\n"]}, "docker")
    assert "secret" not in str(caught.value)


def test_it_waits_for_certificates_only_when_told_to() -> None:
    contract = DinvContract()
    assert contract.environment({}, wait_seconds=0) == {}
    assert contract.environment({}, wait_seconds=60.4) == {"DINV_WAIT_FOR_CERTS": "60"}


def test_a_service_is_an_executable_file() -> None:
    file = DinvContract().service_file("k3s-agent_1", b"#!/bin/sh")
    assert file is not None
    assert (file.path, file.content, file.mode) == ("/etc/dinv/services/k3s-agent_1", b"#!/bin/sh", 0o755)


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a b", "a/b", "../x", "ä", "x.new"])
def test_a_service_has_a_name_that_the_image_takes(name: str) -> None:
    with pytest.raises(ValueError, match="not a service's name"):
        DinvContract().service_file(name, b"")


def test_other_contracts_have_no_services() -> None:
    for name in ("dind", "dch-photon"):
        contract = find(name)
        assert not contract.services_command
        assert contract.service_file("name", b"") is None


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (None, set()),
        ("", set()),
        (" , ", set()),
        ("services", {"services"}),
        ("services, sshd,", {"services", "sshd"}),
    ],
)
def test_the_features_that_an_image_says_it_has(label: str | None, expected: set[str]) -> None:
    assert features({"Labels": {LABEL_FEATURES: label} if label is not None else None}) == expected

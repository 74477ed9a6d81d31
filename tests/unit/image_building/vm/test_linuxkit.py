"""images/linuxkit/dinv.yml fits LinuxKit's own schema, and gives a machine what it needs."""

from __future__ import annotations

import json
import os
from typing import Any

import linuxkit_schema
import pytest
import yaml

from dinv.channel import File
from dinv.image_building import builder
from dinv.image_building.vm.certificates import USER_DATA, user_data
from dinv.images import find

SCHEMA = linuxkit_schema.schema()


def _faults(text: str) -> list[str]:
    return linuxkit_schema.faults(yaml.safe_load(text), SCHEMA, SCHEMA)


def _ours() -> str:
    with open(os.path.join(builder.sources(), "linuxkit", "dinv.yml"), encoding="utf-8") as file:
        return file.read()


@pytest.fixture(scope="module")
def ours() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(_ours())
    return found


@pytest.fixture(scope="module")
def machine(ours: dict[str, Any]) -> dict[str, Any]:
    (found,) = (service for service in ours["services"] if service["image"] == "dinv:latest")
    assert isinstance(found, dict)
    return found


def test_it_fits_the_schema_as_the_example_does() -> None:
    assert _faults(linuxkit_schema.example()) == []
    assert _faults(_ours()) == []


@pytest.mark.parametrize(
    ("was", "wrong", "fault"),
    [
        ("services:\n", "service:\n", "additional property service is not allowed"),
        ("    net: host\n", "    network: host\n", "additional property network is not allowed"),
        ("    net: host\n", "    net: [host]\n", "is not of type string"),
        ("  - name: dinv\n    image", "  - name: dinv\n    picture", "image is missing"),
        ('    mode: "0711"\n', "    mode: 711\n", "711 is not of type string"),
        ("      mkdir: [", "      makedir: [", "additional property makedir is not allowed"),
    ],
)
def test_the_schema_refuses(was: str, wrong: str, fault: str) -> None:
    assert was in _ours()
    assert any(fault in found for found in _faults(_ours().replace(was, wrong)))


def test_names_are_unique_and_binds_can_be_parsed(ours: dict[str, Any]) -> None:
    # What LinuxKit checks beside its schema (src/cmd/linuxkit/moby/config.go: uniqueServices, ConfigToOCI).
    for section in ("onboot", "services"):
        names = [entry["name"] for entry in ours[section]]
        assert len(names) == len(set(names))
        for entry in ours[section]:
            assert all(2 <= len(bind.split(":")) <= 3 for bind in entry.get("binds", ()))
            for mount in entry.get("mounts", ()):
                assert mount["type"] == "cgroup", "the one type with a default place and source"


def test_images_are_those_of_the_example(ours: dict[str, Any]) -> None:
    example = yaml.safe_load(linuxkit_schema.example())
    theirs = _images(example)
    # The same commit's examples/platform-aws.yml, docker-for-mac.yml.
    theirs |= {
        "linuxkit/metadata:4bbf406678d376e1ae9c9efae6ca2421f63fb4ff",
        "linuxkit/acpid:dbd30b25903bf17042c22171b729f94c4bd3d98d",
    }
    assert _images(ours) - theirs == {"dinv:latest"}


def test_the_machine_has_what_docker_dind_has_and_its_files(machine: dict[str, Any]) -> None:
    (dind,) = (
        service
        for service in yaml.safe_load(linuxkit_schema.example())["services"]
        if service["name"] == "docker"
    )
    for field in ("capabilities", "net", "mounts"):
        assert machine[field] == dind[field]
    assert {bind for bind in dind["binds"] if "daemon.json" not in bind} < set(machine["binds"])
    assert "command" not in machine, "the image's own entrypoint runs"
    assert "env" not in machine, "LinuxKit puts it in the place of the image's own"
    contract = find("dinv")
    binds = dict(bind.split(":")[1::-1] for bind in machine["binds"])
    assert contract.mounts["cache"] in binds
    for path in contract.certificate_paths:
        assert path.startswith("/etc/dinv/")
    assert binds["/etc/dinv"] == f"/run/config/{USER_DATA}"
    assert machine["runtime"]["mkdir"] == [f"{binds['/etc/dinv']}/certs"]


def test_user_data_are_files_and_directories() -> None:
    files = {
        "certs/ca.pem": File("/etc/dinv/certs/ca.pem", b"CA\n"),
        "certs/server-key.pem": File("/etc/dinv/certs/server-key.pem", b"KEY\n", 0o600),
        "hostname": File("/etc/dinv/hostname", b"vm1\n"),
    }
    data = json.loads(user_data(files))
    written: dict[str, tuple[str, str]] = {}

    def write(path: str, entry: dict[str, Any]) -> None:
        # pkg/metadata/main.go: writeConfigFiles: an entry with both, or neither, is invalid.
        assert set(entry) <= {"perm", "content", "entries"}
        assert ("content" in entry) != ("entries" in entry)
        if "content" in entry:
            written[path] = entry["content"], entry.get("perm", "0644")
        for name, inner in entry.get("entries", {}).items():
            write(f"{path}/{name}", inner)

    for name, entry in data.items():
        write(name, entry)
    assert written == {
        "dinv/certs/ca.pem": ("CA\n", "0644"),
        "dinv/certs/server-key.pem": ("KEY\n", "0600"),
        "dinv/hostname": ("vm1\n", "0644"),
    }


def _images(configuration: dict[str, Any]) -> set[str]:
    entries = [*configuration["onboot"], *configuration["services"], configuration["kernel"]]
    return {entry["image"] for entry in entries} | set(configuration["init"])

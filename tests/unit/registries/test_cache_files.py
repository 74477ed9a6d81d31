from __future__ import annotations

import json
import os
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from dinv.registries import cache_files
from dinv.registries.cache_record import CacheRecord, Registry

if TYPE_CHECKING:
    from pathlib import Path

PEMS = (b"ca", b"certificate", b"key")


def record(*registries: Registry) -> CacheRecord:
    made = CacheRecord.new(
        "hub",
        identity="id",
        created="",
        endpoint={},
        registries=list(registries)
        or [
            Registry("docker.io", "https://registry-1.docker.io", 5000),
            Registry("ghcr.io", "https://ghcr.io", 5001),
            Registry("push", "", 5002),
        ],
    )
    made["Host"] = "10.0.0.9"
    return made


def test_each_registry_has_certificates_and_each_upstream_a_hosts_toml(tmp_path: Path) -> None:
    cache_files.keep(str(tmp_path), record(), PEMS)
    made = {file.path: file for file in cache_files.machine_files(str(tmp_path))}
    place = "/etc/docker/certs.d"
    assert {path for path in made if path.endswith("hosts.toml")} == {
        f"{place}/docker.io/hosts.toml",
        f"{place}/ghcr.io/hosts.toml",
    }
    for port in (5000, 5001, 5002):
        assert made[f"{place}/10.0.0.9:{port}/client.key"].mode == 0o600
        assert made[f"{place}/10.0.0.9:{port}/ca.crt"].content == b"ca"


def test_hosts_toml_is_toml_that_names_the_cache_before_the_upstream() -> None:
    text = cache_files.hosts_toml("https://ghcr.io", "10.0.0.9:5001")
    place = "/etc/docker/certs.d/10.0.0.9:5001"
    assert tomllib.loads(text) == {
        "server": "https://ghcr.io",
        "host": {
            "https://10.0.0.9:5001": {
                "capabilities": ["pull", "resolve"],
                "ca": f"{place}/ca.crt",
                "client": [[f"{place}/client.cert", f"{place}/client.key"]],
            }
        },
    }


def test_only_docker_hub_has_a_mirror(tmp_path: Path) -> None:
    assert cache_files.mirror(record()) == "https://10.0.0.9:5000"
    assert cache_files.mirror(record(Registry("ghcr.io", "https://ghcr.io", 5000))) == ""
    cache_files.keep(str(tmp_path), record(), PEMS)
    kept = cache_files.kept(str(tmp_path))
    assert kept is not None
    assert cache_files.mirror_of(kept[0]) == "https://10.0.0.9:5000"


def test_the_key_is_the_owners_alone(tmp_path: Path) -> None:
    cache_files.keep(str(tmp_path), record(), PEMS)
    folder = tmp_path / "registry-cache"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "client.key").stat().st_mode & 0o777 == 0o600


def test_a_machine_without_a_cache_has_no_files(tmp_path: Path) -> None:
    assert cache_files.machine_files(str(tmp_path)) == []


@pytest.mark.parametrize(
    "registries",
    [
        None,
        {},
        [{}],
        [{"Name": "docker.io", "Upstream": "", "Address": "../../root:1"}],
        [{"Name": "../..", "Upstream": "", "Address": "10.0.0.9:1"}],
        [{"Name": "ghcr.io", "Upstream": 'https://x"\n', "Address": "10.0.0.9:1"}],
        [{"Name": "ghcr.io", "Upstream": 1, "Address": "10.0.0.9:1"}],
    ],
)
def test_what_was_imported_names_no_place_of_its_own(tmp_path: Path, registries: Any) -> None:
    cache_files.keep(str(tmp_path), record(), PEMS)
    path = os.path.join(tmp_path, "registry-cache", "cache.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"Name": "hub", "ID": "id", "Registries": registries}, file)
    assert cache_files.machine_files(str(tmp_path)) == []


def test_registries_that_stay_keep_their_ports() -> None:
    made = record()
    made.change(
        [
            Registry("quay.io", "https://quay.io", 1),
            Registry("ghcr.io", "https://ghcr.io", 1),
            Registry("push", "", 1),
        ]
    )
    assert [(each.name, each.port) for each in made.registries] == [
        ("quay.io", 5003),
        ("ghcr.io", 5001),
        ("push", 5002),
    ]

"""The contracts of images that are not dinv's: docker:dind and dch-photon."""

from __future__ import annotations

from typing import Any

import pytest

from dinv import images
from dinv.errors import InputError
from dinv.images.dch_photon import DchPhotonContract
from dinv.images.dind import DindContract

MATERIAL: dict[str, Any] = {"ca": b"CA", "certificate": b"CERT", "key": b"KEY", "driver_name": "docker"}


@pytest.mark.parametrize(
    ("config", "contract"),
    [
        ({"Labels": {"io.dinv.image.contract": "dinv"}, "Entrypoint": ["/dinv"]}, "dinv"),
        ({"Labels": {"io.dinv.image.contract": "somebodys"}}, "somebodys"),
        ({"Labels": None, "Entrypoint": ["/dinv"]}, "dch-photon"),
        ({"Entrypoint": ["dockerd-entrypoint.sh"], "Env": ["DOCKER_TLS_CERTDIR=/certs"]}, "dind"),
        ({"Entrypoint": ["/usr/local/bin/dockerd-entrypoint.sh"], "Env": ["DIND_COMMIT=1"]}, "dind"),
        ({"Entrypoint": ["dockerd-entrypoint.sh"], "Env": ["PATH=/bin"]}, ""),
        ({"Entrypoint": ["/bin/sh"]}, ""),
        ({}, ""),
    ],
)
def test_an_image_is_known_by_its_label_or_its_looks(config: dict[str, Any], contract: str) -> None:
    assert images.recognise(config) == contract


def test_dch_photon_gets_six_files_and_only_one_real_key() -> None:
    files = {file.path: file for file in DchPhotonContract().files(**MATERIAL, options={})}
    assert set(files) == {
        "/certs/ca.crt",
        "/certs/ca-key.pem",
        "/certs/docker.crt",
        "/certs/docker.key",
        "/certs/docker-client.crt",
        "/certs/docker-client.key",
    }
    assert files["/certs/docker.key"].content == b"KEY"
    assert files["/certs/docker.key"].mode == 0o600
    assert [path for path, file in files.items() if b"KEY" in file.content] == ["/certs/docker.key"]
    assert all(file.content for file in files.values())  # it makes all six anew when one is missing


def test_dch_photon_takes_the_few_options_it_has_flags_for() -> None:
    options = {"StorageDriver": "vfs", "InsecureRegistry": ["r:5000"], "Env": ["https_proxy=http://p:1"]}
    contract = DchPhotonContract()
    assert list(contract.command(options, "docker")) == [
        "-tlsverify",
        "-storage",
        "vfs",
        "-insecure-registry",
        "r:5000",
    ]
    assert contract.environment(options, wait_seconds=9) == {"https_proxy": "http://p:1"}


@pytest.mark.parametrize(
    "options",
    [
        {"ArbitraryFlags": ["debug"]},
        {"Labels": ["a=b"]},
        {"RegistryMirror": ["https://m"]},
        {"InsecureRegistry": ["a", "b"]},
    ],
)
def test_dch_photon_refuses_what_it_cannot_do(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="dch-photon"):
        DchPhotonContract().command(options, "docker")


def test_dind_gets_its_certificates_where_it_makes_none() -> None:
    contract = DindContract()
    files = {file.path: file for file in contract.files(**MATERIAL, options={})}
    assert set(files) == {"/certs/server/ca.pem", "/certs/server/cert.pem", "/certs/server/key.pem"}
    assert files["/certs/server/key.pem"].mode == 0o600
    environment = contract.environment({"Env": ["A=b=c"]}, wait_seconds=0)
    assert environment == {"A": "b=c", "DOCKER_TLS_CERTDIR": "/certs"}


def test_dind_gets_dockerds_flags_as_command() -> None:
    options = {"Labels": ["a=b"], "ArbitraryFlags": ["debug"], "RegistryMirror": ["https://m"]}
    assert list(DindContract().command(options, "docker")) == [
        "--label=provider=docker",
        "--label=a=b",
        "--registry-mirror=https://m",
        "--debug",
    ]

"""Docker Datacenter on machines, with the stand-in for its images (tests/support/ucp_stand_in)."""

from __future__ import annotations

import json
import os
import stat
import time
from typing import TYPE_CHECKING

import pytest
from ucp_stand_in import image

from dinv.engine import Engine, TLSFiles, parse_address
from dinv.errors import NotFound

if TYPE_CHECKING:
    from pathlib import Path

    from users import User

PASSWORD = "tomato-soup-for-ucp"
UCP = f"{image.REPOSITORY}/ucp:{image.VERSION}"
NEWER = f"{image.REPOSITORY}/ucp:{image.NEWER}"
DTR = f"{image.REPOSITORY}/dtr:{image.DTR_VERSION}"
DATACENTER = ("--provisioner", "datacenter")
LICENSE = {"key_id": "k", "private_key": "potato", "authorization": "a"}


@pytest.fixture(scope="module")
def images() -> str:
    return image.archive()


def contexts(user: User) -> list[str]:
    return sorted(user.run("docker", "context", "ls", "--format", "{{.Name}}").split())


def test_from_create_to_rm(user: User, images: str, tmp_path: Path) -> None:
    first, second = user.name("u1"), user.name("u2")
    license = tmp_path / "docker_subscription.lic"  # noqa: A001
    license.write_text(json.dumps(LICENSE))
    secret = tmp_path / "password"
    secret.write_text(PASSWORD + "\n")
    user.environment["DINV_UCP_IMAGES"] = images
    made = user.dinv(
        *("create", first, *DATACENTER, "--ucp-image", UCP, "--dtr-image", DTR),
        *("--ucp-license", str(license), "--ucp-admin-password-file", str(secret)),
        *("--ucp-san", "ucp.example", "--debug"),
    )
    directory = os.path.join(user.store, "machines", first)
    with open(os.path.join(directory, "config.json"), encoding="utf-8") as file:
        record = file.read()
    membership = json.loads(record)["Dinv"]["Membership"]
    assert membership["UCP"] == UCP
    for shown in (record, made.stdout, made.stderr):
        assert PASSWORD not in shown
        assert "potato" not in shown
    for path in ("ucp-admin-password", "bundle/key.pem", "bundle/ca.pem", "bundle/tls/docker/key.pem"):
        assert stat.S_IMODE(os.stat(os.path.join(directory, path)).st_mode) == 0o600
    assert contexts(user) == sorted(["default", first, f"{first}-ucp"])

    # UCP's API by the bundle: the Docker API of the whole cluster.
    said = json.loads(user.run("docker", "context", "inspect", f"{first}-ucp"))
    address = parse_address(
        said[0]["Endpoints"]["docker"]["Host"], TLSFiles.of_directory(os.path.join(directory, "bundle"))
    )
    assert address.address.endswith(":443")
    with Engine(address, timeout=30) as ucp:
        assert [node["Status"]["Message"] for node in ucp.swarm.nodes()] == ["Healthy UCP manager"]
        services = {each["Spec"]["Name"] for each in ucp.json("GET", "/services")}
        assert services == {"ucp-agent", f"dtr-nginx-{membership['Replica']}"}
        # The installers are gone, with what they were given.
        names = {name for each in ucp.containers.list(all=True) for name in each["Names"]}
        assert not names & {"/ucp", "/dinv-dtr"}

    assert "installed on" in user.fails(
        "create", second, *DATACENTER, "--join", first, "--ucp-license", str(license)
    )
    user.dinv("create", second, *DATACENTER, "--join", first)
    user.dinv("provision", "--cluster-image", NEWER, first)
    with user.machine(second).engine(timeout=30) as engine:
        # The agents of other nodes follow by themselves.
        end = time.monotonic() + 60
        while not is_newer(engine):
            assert time.monotonic() < end, "the agent of the other node is still of the former version"
            time.sleep(0.2)

    user.dinv("rm", "-y", second, first)
    assert contexts(user) == ["default"]


def is_newer(engine: Engine) -> bool:
    """Whether a node runs the newer version of UCP."""
    try:
        proxy = engine.containers.inspect("ucp-proxy")
    except NotFound:  # it is being replaced
        return False
    newer: bool = proxy["Config"]["Image"].endswith(f"ucp-agent:{image.NEWER}")
    return newer and bool(proxy["State"]["Running"])


def test_an_installer_that_fails_half_way_leaves_nothing(user: User, images: str) -> None:
    name = user.name("half")
    half = f"{image.REPOSITORY}/ucp:half-way"
    words = ("create", name, *DATACENTER, "--ucp-image", half, "--ucp-images", images)
    said = user.dinv(*words, status=1).stderr
    # Its exit status was 0: the line of level "fatal" counts.
    assert "Unable to start UCP: the key-value store did not come up" in said
    assert "--keep-on-failure" in said
    assert user.dinv("ls", "-q").stdout == ""
    assert contexts(user) == ["default"]

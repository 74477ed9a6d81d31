"""Images that keep other contracts than dinv's own: machines of them are like any other."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from contract_images import DCH_PHOTON, DIND, NO_CONTAINERS, OLD_DCH_PHOTON

from dinv.channel import File
from dinv.engine import Engine, parse_address
from dinv.engine.wire.tls_files import TLSFiles
from dinv.errors import DinvError

if TYPE_CHECKING:
    from flavours import At, Resident, Simulate

pytestmark = pytest.mark.usefixtures("foreign_images")

FOREIGN = pytest.mark.parametrize(
    ("image", "contract"), [(DCH_PHOTON, "dch-photon"), (DIND, "dind")], ids=["dch-photon", "dind"]
)


def keys_in(user: Resident, name: str) -> list[str]:
    """The user's keys of a machine, apart from the server's, that can be found in it."""
    found = []
    for file in ("ca-key.pem", "key.pem"):
        with open(os.path.join(user.store, "machines", name, file), encoding="ascii") as pem:
            line = pem.read().splitlines()[1]
        # Without a word about files that a daemon removes meanwhile.
        script = f"grep -rslF -e '{line}' /certs /etc /root /run /tmp /var/run || :"
        found += user.inside(name, "sh", "-c", script).split()
    return found


def works(user: Resident, name: str) -> None:
    """See that a machine runs containers, and that only who has a certificate can tell it to."""
    assert user.docker(name, "run", "--rm", "hello", "echo", "it works") == "it works\n"
    machine = user.machine(name)
    authority = TLSFiles(os.path.join(machine.directory, "ca.pem"))
    with Engine(parse_address(machine.url, authority)) as stranger, pytest.raises(DinvError):
        stranger.ping()


def after_a_kill(user: Resident, name: str) -> None:
    """See that a machine starts again whose daemons have left numbers of a process that is there."""
    stale = ("/run/docker.pid", "/run/docker/containerd/containerd.pid")
    user.inside(name, "test", "-s", stale[1])
    user.dinv("kill", name)
    with user.machine(name) as machine:
        machine._host.driver.channel().put([File(path, b"1") for path in stale])
    user.dinv("start", name)
    works(user, name)


@FOREIGN
def test_on_an_engine(at: At, endpoint_address: str, image: str, contract: str) -> None:
    user = at(endpoint_address)
    name = user.name("foreign")
    user.dinv("create", name, "--image", image, "--engine-env", "no_proxy=registry.test")
    assert user.machine(name)._host.contract.name == contract
    user.import_hello(name)
    works(user, name)
    assert keys_in(user, name) == []
    assert "no_proxy=registry.test" in user.inside(
        name, "sh", "-c", "tr '\\0' '\\n' </proc/$(pgrep -ox dockerd)/environ"
    )
    url = user.dinv("url", name).stdout
    user.dinv("restart", name)
    assert user.dinv("url", name).stdout == url
    works(user, name)
    after_a_kill(user, name)
    user.dinv("rm", "-y", name)
    assert user.traces(name) == []


@FOREIGN
def test_day2_verbs(at: At, endpoint_address: str, image: str, contract: str) -> None:
    """New certificates, another image and back, and a repair: it serves after each."""
    user = at(endpoint_address)
    name = user.name("day2")
    user.dinv("create", name, "--image", image)
    user.import_hello(name)
    user.dinv("regenerate-certs", "-f", "--client-certs", name)
    works(user, name)
    user.dinv("upgrade", name, "--image", "dinv:latest")
    assert user.machine(name)._host.contract.name == "dinv"
    user.dinv("upgrade", name, "--image", image)
    assert user.machine(name)._host.contract.name == contract
    user.dinv("provision", name)
    works(user, name)
    assert keys_in(user, name) == []
    user.dinv("rm", "-y", name)
    assert user.traces(name) == []


@FOREIGN
def test_at_an_address_of_its_own(at: At, endpoint_address: str, image: str, contract: str) -> None:
    user = at(endpoint_address)
    name = user.name("own")
    user.dinv("create", name, "--image", image, "--publish", "none")
    assert user.dinv("url", name).stdout == f"tcp://{user.dinv('ip', '--own', name).stdout.strip()}:2376\n"
    user.import_hello(name)
    works(user, name)
    assert keys_in(user, name) == []
    user.dinv("rm", "-y", name)
    assert user.traces(name) == []


@FOREIGN
def test_on_a_vch(simulate: Simulate, at: At, image: str, contract: str) -> None:
    vch = simulate(fail_every=4)
    user = at(vch.env_file)
    name = user.name("foreign")
    user.dinv("create", name, "--image", image, "--cache-size", "5g")
    # Both of dch-photon's volumes have names: nothing that VIC would leave behind.
    assert {volume: found.size for volume, found in vch.volumes.items()} == {
        f"dinv-{name}-cache": 5120,
        **({f"dinv-{name}-certs": 1024} if contract == "dch-photon" else {}),
    }
    user.import_hello(name)
    works(user, name)
    user.dinv("stop", name)
    user.dinv("start", name)
    works(user, name)
    after_a_kill(user, name)
    user.dinv("rm", "-y", name)
    assert vch.volumes == {}
    assert vch.containers == []


def test_one_that_verifies_nobody_is_refused(at: At, endpoint_address: str) -> None:
    user = at(endpoint_address)
    name = user.name("open")
    said = user.fails("create", name, "--image", OLD_DCH_PHOTON)
    assert "to a client without a certificate" in said
    assert "before VIC 1.5" in said
    assert user.traces(name) == []


def test_one_that_verifies_nobody_is_refused_at_each_start(at: At, endpoint_address: str) -> None:
    user = at(endpoint_address)
    name = user.name("later")
    user.dinv("create", name, "--image", DCH_PHOTON)
    # As if the image had been replaced by an older one.
    script = "sed -i 's/--tlsverify --tlscacert=.*/--tls --tlsverify=false/' /dinv"
    user.inside(name, "sh", "-c", script)
    assert "to a client without a certificate" in user.fails("restart", name)
    user.dinv("rm", "-y", name)
    assert user.traces(name) == []


def test_one_that_can_run_no_container_is_refused(at: At, endpoint_address: str) -> None:
    user = at(endpoint_address)
    name = user.name("none")
    said = user.fails("create", name, "--image", NO_CONTAINERS)
    assert "no container runs in it" in said
    assert "unable to apply caps" in said
    assert "containers.conf" in said
    assert user.traces(name) == []
    # Neither is a machine that works made into one.
    user.dinv("create", name)
    said = user.fails("upgrade", name, "--image", NO_CONTAINERS)
    assert "no container runs in it" in said
    user.import_hello(name)
    works(user, name)
    # What was found out is not found out again.
    with open(os.path.join(user.store, "trials.json"), encoding="ascii") as file:
        assert len(json.load(file)) == 1
    user.dinv("rm", "-y", name)


def test_the_contract_is_what_one_says(at: At, endpoint_address: str) -> None:
    user = at(endpoint_address)
    name = user.name("said")
    # What dch-photon is told, dind passes on to dockerd, which does not know it.
    said = user.fails("create", name, "--image", DIND, "--image-contract", "dch-photon")
    assert "ended with status" in said
    assert user.traces(name) == []
    user.dinv("create", name, "--image", DIND, "--image-contract", "dind")
    assert user.machine(name)._host.contract.name == "dind"
    said = user.fails("create", user.name("x"), "--image-contract", "photon")
    assert "Known are: dch-photon, dind, dinv" in said
    user.dinv("rm", "-y", name)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--engine-label", "a=b"), "--engine-label"),
        (("--engine-opt", "experimental"), "--engine-opt"),
        (("--engine-insecure-registry", "a:1", "--engine-insecure-registry", "b:1"), "takes one"),
    ],
)
def test_what_dch_photon_cannot_be_told(
    at: At, endpoint_address: str, flags: tuple[str, ...], words: str
) -> None:
    user = at(endpoint_address)
    name = user.name("told")
    assert words in user.fails("create", name, "--image", DCH_PHOTON, *flags)
    assert user.traces(name) == []

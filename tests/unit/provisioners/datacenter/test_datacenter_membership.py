"""Machines that become nodes of a datacenter, and leave it: what is run where, and what is kept."""

from __future__ import annotations

import io
import json
import os
import stat
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from machines_of_datacenter import Client

from dinv.channel import pack
from dinv.endpoints import contexts
from dinv.errors import (
    CannotJoin,
    DatacenterError,
    DatacenterUnreached,
    InstallerFailed,
    LoginRefused,
    OptionError,
    RequirementMissing,
)
from dinv.provisioners.datacenter import dtr, password, requirements, ucp

if TYPE_CHECKING:
    from pathlib import Path

    from machines_of_datacenter import Datacenter

IMAGE = "mirantis/ucp:3.8.10"
DTR = "mirantis/dtr:2.9.29"
PASSWORD = "tomato-soup"


def failed(operation: str) -> InstallerFailed:
    return InstallerFailed("u1", IMAGE, operation, ["it broke"], 1)


def begun(datacenter: Datacenter, **options: Any) -> None:
    datacenter.create("u1", ucp_image=IMAGE, ucp_admin_password=PASSWORD, **options)


# The first machine


def test_the_first_machine_gets_ucp(datacenter: Datacenter, archive: str, tmp_path: Path) -> None:
    license = tmp_path / "x.lic"  # noqa: A001
    license.write_text(json.dumps({"key_id": "k", "private_key": "potato", "authorization": "a"}))
    secret = tmp_path / "password"
    secret.write_text(PASSWORD + "\n")
    datacenter.create(
        "u1",
        ucp_image=IMAGE,
        ucp_images=archive,
        ucp_license=str(license),
        ucp_admin_password_file=str(secret),
        ucp_san=("ucp.example",),
        ucp_opt=("pod-cidr=10.1.0.0/16",),
        ucp_force_minimums=True,
    )
    # Its images are there before UCP's agent could look for them in a registry.
    assert datacenter.calls == [("load before the swarm", "u1")]
    assert datacenter.operations() == ["install", "dump-certs"]
    run = datacenter.last("install")
    assert run.image == IMAGE
    assert list(run.flags) == [
        *("--host-address", "10.213.236.1", "--controller-port", "443", "--swarm-port", "3376"),
        *("--san", "ucp.example", "--san", "127.0.0.1", "--force-minimums", "--pod-cidr=10.1.0.0/16"),
    ]
    assert run.environment == {"UCP_ADMIN_USER": "admin", "UCP_ADMIN_PASSWORD": PASSWORD}
    assert run.secrets == (PASSWORD, "")
    with tarfile.open(fileobj=io.BytesIO(pack(run.files))) as packed:
        [file] = [each for each in packed if each.isfile()]
        assert (file.name, file.mode) == ("config/docker_subscription.lic", 0o600)
    assert not any(PASSWORD in word for word in run.flags)

    config = datacenter.store.load("u1")
    assert config.membership["UCP"] == IMAGE
    assert config.membership["ControllerPort"] == 443
    recorded = json.dumps(config.document())
    assert PASSWORD not in recorded
    assert "potato" not in recorded
    kept = os.path.join(config.directory, password.FILE)
    assert stat.S_IMODE(os.stat(kept).st_mode) == 0o600
    assert password.kept(config.directory) == PASSWORD
    assert os.path.exists(os.path.join(config.directory, "bundle", "key.pem"))


def test_a_password_is_made_up(datacenter: Datacenter) -> None:
    datacenter.create("u1", ucp_image=IMAGE)
    assert len(password.kept(datacenter.store.load("u1").directory)) == 24
    assert datacenter.ucp.logins == ["admin"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"ucp_license": "/nonesuch"}, "ucp_license"),
        ({"ucp_admin_password": "short"}, "too short"),
        ({"ucp_admin_password": "with\nline"}, "not printable"),
        ({"ucp_admin_password_file": "/nonesuch"}, "ucp_admin_password_file"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_made(
    datacenter: Datacenter, options: dict[str, Any], why: str
) -> None:
    with pytest.raises(OptionError, match=why) as raised:
        datacenter.create("u1", ucp_image=IMAGE, **options)
    assert "line" not in str(raised.value)
    assert datacenter.world.daemons == {}


def test_an_archive_without_the_installer(datacenter: Datacenter, archive: str) -> None:
    with pytest.raises(OptionError, match=r"has no image mirantis/ucp:3.8.11, but mirantis/ucp:3.8.10"):
        datacenter.create("u1", ucp_image="mirantis/ucp:3.8.11", ucp_images=archive)


def test_an_installer_that_fails_half_way(datacenter: Datacenter) -> None:
    datacenter.failing["install"] = failed("install")
    with pytest.raises(InstallerFailed, match="it broke") as raised:
        begun(datacenter)
    assert "--keep-on-failure" in raised.value.__notes__[0]
    # What is left of it is removed before the next try, by UCP's own means and then by force.
    datacenter.failing["uninstall-ucp"] = failed("uninstall-ucp")
    datacenter.provision("u1")
    assert datacenter.operations() == ["install", "uninstall-ucp", "install", "dump-certs"]
    assert "ucp-client-root-ca" in datacenter.told.notes[-1]
    assert datacenter.last("install").environment["UCP_ADMIN_PASSWORD"] == PASSWORD


def test_what_failed_is_removed_without_an_uninstallation(datacenter: Datacenter) -> None:
    datacenter.failing["install"] = failed("install")
    with pytest.raises(InstallerFailed):
        begun(datacenter)
    assert datacenter.remove("u1") == []
    assert datacenter.operations() == ["install"]


def test_one_that_is_never_healthy(datacenter: Datacenter) -> None:
    datacenter.ucp.unhealthy = ["HTTP status 503"] * 10_000
    with pytest.raises(DatacenterUnreached, match="after 60 s: HTTP status 503"):
        begun(datacenter, ucp_timeout=60.0)


def test_provision_leaves_alone_what_works(datacenter: Datacenter) -> None:
    begun(datacenter)
    datacenter.provision("u1")
    assert datacenter.operations().count("install") == 1
    assert datacenter.ucp.logins == ["admin"], "the bundle in the store is of use: no new one"


def test_provision_fetches_a_bundle_anew(datacenter: Datacenter, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(datacenter)
    directory = datacenter.store.load("u1").directory
    os.unlink(os.path.join(directory, "bundle", "key.pem"))
    datacenter.ucp.password = "changed-in-ucp"
    with pytest.raises(LoginRefused, match="ucp_admin_password="):
        datacenter.provision("u1")
    monkeypatch.setenv("DINV_UCP_ADMIN_PASSWORD", "changed-in-ucp")
    datacenter.provision("u1")
    assert os.path.exists(os.path.join(directory, "bundle", "key.pem"))
    assert password.kept(directory) == "changed-in-ucp"


def test_a_docker_context_for_ucp(datacenter: Datacenter) -> None:
    begun(datacenter)
    config = datacenter.store.load("u1")
    config.context = "u1"
    datacenter.store.save(config)
    datacenter.provision("u1")
    found = contexts.read("u1-ucp")
    assert found is not None
    assert found.host == "tcp://10.213.236.1:443"
    datacenter.member("u1").forget()
    assert contexts.read("u1-ucp") is None


# Those that join


def test_a_worker_joins(datacenter: Datacenter, archive: str) -> None:
    begun(datacenter)
    datacenter.create("u2", join="u1", ucp_images=archive)
    assert ("load before the swarm", "u2") in datacenter.calls
    assert datacenter.store.load("u2").membership["UCP"] == IMAGE
    assert password.kept(datacenter.store.load("u2").directory) == ""
    assert datacenter.operations() == ["install", "dump-certs"]


def test_a_manager_has_a_bundle_of_its_own(datacenter: Datacenter) -> None:
    begun(datacenter)
    datacenter.create("u2", join="u1", role="manager")
    directory = datacenter.store.load("u2").directory
    assert password.kept(directory) == PASSWORD
    assert os.path.exists(os.path.join(directory, "bundle", "key.pem"))


def test_without_the_password_there_is_no_bundle(datacenter: Datacenter) -> None:
    begun(datacenter)
    os.unlink(os.path.join(datacenter.store.load("u1").directory, password.FILE))
    datacenter.create("u2", join="u1", role="manager")
    assert "no client bundle of u2" in datacenter.told.warnings[-1]


def test_joining_where_there_is_no_datacenter(datacenter: Datacenter) -> None:
    datacenter.failing["install"] = failed("install")
    with pytest.raises(InstallerFailed):
        begun(datacenter)
    with pytest.raises(CannotJoin, match="has not finished"):
        datacenter.create("u2", join="u1")
    config = datacenter.store.load("u1")
    config.phase = "ready"
    datacenter.store.save(config)
    with pytest.raises(CannotJoin, match="no Docker Datacenter"):
        datacenter.create("u2", join="u1")


def test_an_agent_that_never_comes(datacenter: Datacenter) -> None:
    begun(datacenter)
    datacenter.ucp.agents_come = False
    with pytest.raises(DatacenterUnreached, match="has not set the node up"):
        datacenter.create("u2", join="u1", ucp_timeout=30.0)
    datacenter.remove("u2")
    assert [each["Description"]["Hostname"] for each in datacenter.world.clusters[0].nodes.values()] == ["u1"]


def test_whom_it_joined_by_may_be_gone(datacenter: Datacenter) -> None:
    begun(datacenter)
    for name in ("u2", "u3"):
        datacenter.create(name, join="u1", role="manager")
    datacenter.remove("u1")
    datacenter.provision("u2")
    assert datacenter.member("u2").controller_port == 443


# Memory


@pytest.mark.parametrize(
    ("kilobytes", "limit", "role", "enough"),
    [
        (16_000_000, 0, "manager", True),
        (7_900_000, 0, "manager", True),
        (4_000_000, 0, "manager", False),
        (4_000_000, 0, "worker", True),
        (16_000_000, 2 * 2**30, "worker", False),
        (0, 0, "manager", True),
    ],
)
def test_memory(datacenter: Datacenter, kilobytes: int, limit: int, role: str, enough: bool) -> None:  # noqa: FBT001
    class Driver:
        memory_limit = limit

        def try_out(self, command: object, *, timeout: float) -> tuple[int, bytes]:
            return 0, f"MemTotal:       {kilobytes} kB\nLimit: max\n".encode() if kilobytes else b""

    def look(*, forced: bool) -> None:
        requirements.examine("m", Driver(), datacenter.told, manager=role == "manager", forced=forced)  # type: ignore[arg-type]

    if enough:
        look(forced=False)
        return
    with pytest.raises(RequirementMissing, match="ucp_force_minimums"):
        look(forced=False)
    look(forced=True)
    assert "GB of memory" in datacenter.told.warnings[-1]


def test_the_limit_of_a_cgroup_counts() -> None:
    said = "MemTotal:       16000000 kB\nLimit: 2147483648\nLimit: max\n"
    assert requirements.memory(said) == 2 * 2**30
    assert requirements.memory("Limit: 9223372036854771712\nMemTotal: 1 kB") == 1024
    assert requirements.memory("who knows") == 0


# Upgrades


def test_ucp_is_upgraded(datacenter: Datacenter) -> None:
    begun(datacenter)
    datacenter.member("u1").upgrade("mirantis/ucp:3.8.11", datacenter.told)
    run = datacenter.last("upgrade")
    assert run.image == "mirantis/ucp:3.8.11"
    assert list(run.flags) == ["--id", "swarm1"]
    assert datacenter.store.load("u1").membership["UCP"] == "mirantis/ucp:3.8.11"
    datacenter.member("u1").upgrade("mirantis/ucp:3.8.11", datacenter.told)
    assert datacenter.operations().count("upgrade") == 1


# Leaving


def test_the_last_manager_uninstalls(datacenter: Datacenter) -> None:
    begun(datacenter)
    datacenter.create("u2", join="u1")
    datacenter.remove("u2")
    assert "uninstall-ucp" not in datacenter.operations()
    assert datacenter.remove("u1") == []
    run = datacenter.last("uninstall-ucp")
    assert list(run.flags) == ["--id", "swarm1", "--purge-config"]
    assert ("DELETE", "/services/ucp-uninstall-agent") in datacenter.calls


def test_an_uninstallation_that_hangs_keeps_nobody(datacenter: Datacenter) -> None:
    begun(datacenter)
    datacenter.failing["uninstall-ucp"] = failed("uninstall-ucp")
    [left] = datacenter.remove("u1")
    assert "was not uninstalled from u1" in left
    assert datacenter.store.names() == []


def test_by_force_one_that_is_alone_is_just_removed(datacenter: Datacenter) -> None:
    begun(datacenter)
    datacenter.remove("u1", force=True)
    assert "uninstall-ucp" not in datacenter.operations()


def test_one_that_is_stopped_can_be_removed(datacenter: Datacenter) -> None:
    begun(datacenter)
    datacenter.world.daemons["u1"].stop()
    datacenter.remove("u1")
    assert datacenter.store.names() == []


def test_one_of_two_managers_does_not_uninstall(datacenter: Datacenter) -> None:
    begun(datacenter)
    datacenter.create("u2", join="u1", role="manager")
    datacenter.remove("u1")
    assert "uninstall-ucp" not in datacenter.operations()


def test_beside_one_that_is_being_demoted_it_is_the_last(datacenter: Datacenter) -> None:
    begun(datacenter)
    datacenter.create("u2", join="u1", role="manager")
    assert not datacenter.member("u1")._is_last_manager()
    datacenter.node("u2")["Spec"]["Role"] = "worker"
    assert datacenter.member("u1")._is_last_manager()
    assert not datacenter.member("u2")._is_last_manager()


def test_it_comes_back(datacenter: Datacenter) -> None:
    begun(datacenter)
    datacenter.stop("u1")
    datacenter.ucp.unhealthy = ["HTTP status 503"]
    datacenter.start("u1")
    assert datacenter.ucp.unhealthy == []


# DTR


def test_replicas_of_dtr(datacenter: Datacenter) -> None:
    begun(datacenter, dtr_image=DTR)
    first = str(datacenter.store.load("u1").membership[dtr.REPLICA])
    run = datacenter.last("install")
    assert (run.image, run.socket, run.name) == (DTR, False, "dinv-dtr")
    assert list(run.flags) == [
        *("--ucp-node", "u1", "--replica-id", first),
        *("--replica-https-port", "4443", "--replica-http-port", "4480"),
    ]
    assert run.environment["UCP_PASSWORD"] == PASSWORD
    assert run.environment["UCP_URL"] == "https://10.213.236.1:443"
    assert run.environment["UCP_CA"].startswith("-----BEGIN CERTIFICATE-----")
    datacenter.create("u2", join="u1", dtr_image=DTR)
    second = str(datacenter.store.load("u2").membership[dtr.REPLICA])
    assert list(datacenter.last("join").flags)[-2:] == ["--existing-replica-id", first]
    datacenter.remove("u2")
    assert list(datacenter.last("remove").flags) == [
        *("--replica-ids", second, "--existing-replica-id", first),
    ]
    datacenter.remove("u1")
    assert list(datacenter.last("destroy").flags) == ["--replica-id", first]


def test_a_replica_that_was_half_made_is_taken_away_first(datacenter: Datacenter) -> None:
    begun(datacenter, dtr_image=DTR)
    first = datacenter.store.load("u1").membership[dtr.REPLICA]
    datacenter.provision("u1")
    assert datacenter.operations().count("destroy") == 0, "it is well"
    datacenter.ucp.unhealthy = ["", "HTTP status 502"]
    datacenter.provision("u1")
    assert list(datacenter.last("destroy").flags) == ["--replica-id", first]
    assert datacenter.store.load("u1").membership[dtr.REPLICA] != first


def test_a_replica_that_cannot_be_removed_keeps_nobody(datacenter: Datacenter) -> None:
    begun(datacenter, dtr_image=DTR)
    datacenter.create("u2", join="u1", dtr_image=DTR)
    datacenter.failing["remove"] = failed("remove")
    [left] = datacenter.remove("u2")
    assert "DTR still counts replica" in left


def test_dtr_needs_the_password(datacenter: Datacenter) -> None:
    begun(datacenter)
    os.unlink(os.path.join(datacenter.store.load("u1").directory, password.FILE))
    with pytest.raises(CannotJoin, match="DINV_UCP_ADMIN_PASSWORD"):
        datacenter.create("u2", join="u1", dtr_image=DTR)


def test_dtr_is_upgraded(datacenter: Datacenter) -> None:
    begun(datacenter)
    with pytest.raises(DatacenterError, match="has DTR"):
        datacenter.member("u1").upgrade("mirantis/dtr:2.9.30", datacenter.told)
    datacenter.create("u2", join="u1", dtr_image=DTR)
    datacenter.member("u1").upgrade("mirantis/dtr:2.9.30", datacenter.told)
    run = datacenter.last("upgrade")
    replica = datacenter.store.load("u2").membership[dtr.REPLICA]
    assert (run.image, list(run.flags)) == ("mirantis/dtr:2.9.30", ["--existing-replica-id", replica])


# Facts


@pytest.mark.parametrize(
    ("agent", "installer"),
    [
        ("mirantis/ucp-agent:3.8.10", "mirantis/ucp:3.8.10"),
        ("reg.example:5000/mke/ucp-agent:3.8.10", "reg.example:5000/mke/ucp:3.8.10"),
        ("ucp-agent:3.8.10", "ucp:3.8.10"),
        ("reg.example:5000/ucp-agent", ""),
        ("", ""),
    ],
)
def test_the_installer_of_what_is_there(datacenter: Datacenter, agent: str, installer: str) -> None:
    datacenter.world.daemon("x", "10.0.0.9", {})
    datacenter.containers["x"] = {"ucp-proxy": agent}
    assert ucp.installed(Client(datacenter, "x")) == installer  # type: ignore[arg-type]

"""A machine's own kubeconfig, printed and put into the user's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import yaml
from fake_driver import FakeMembership, FakeProvisioner, install, without_keys
from fake_program import Program

from dinv.errors import KubeconfigError, NoKubeconfig, NotSupported
from dinv.formats import kubeconfig as formats
from dinv.lifecycle import kubeconfig
from dinv.lifecycle.create import CreateOptions, create
from dinv.lifecycle.remove import remove
from dinv.progress import Progress
from dinv.provisioners.membership import KUBECONFIG
from dinv.system import kubeconfig as user_file

if TYPE_CHECKING:
    from pathlib import Path

    from fake_driver import World

    from dinv.lifecycle.host import Host
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store

FOREIGN = "contexts:\n- name: a # mine\n  context: {}\ncurrent-context: a\n"


class Forgetting(FakeMembership):
    """As those of Kubernetes do."""

    def forget(self) -> None:
        config = self.config
        owner = user_file.Owner(config.name, config.identity, config.store_path)
        if path := config.membership.get(KUBECONFIG):
            user_file.remove(path, owner)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = install(monkeypatch, str(tmp_path / "endpoint"))
    without_keys(monkeypatch)
    world.members = {}

    def own(_cls: type, config: MachineConfig) -> str:
        return os.path.join(config.directory, "kubeconfig")

    def membership(self: FakeProvisioner) -> Forgetting:
        return Forgetting(self.config, self.driver, self.contract, options=self.options)

    monkeypatch.setattr(FakeProvisioner, "kubeconfig_path", classmethod(own))
    monkeypatch.setattr(FakeProvisioner, "membership", membership)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return world


@pytest.fixture
def host(world: World, store: Store) -> Host:
    with create(store, "k1", CreateOptions(driver="fake"), Progress()) as machine:
        entry = formats.Entry(
            "k1",
            cluster_ca=b"ca",
            server="https://192.0.2.7:6443",
            client_certificate=b"certificate",
            client_key=b"key",
            identity="of the file itself",
            machine="k1",
            store="",
        )
        with open(os.path.join(machine.config.directory, "kubeconfig"), "wb") as file:
            file.write(formats.added(b"", entry)[0])
    return machine


@pytest.fixture
def user(tmp_path: Path) -> Path:
    """The user's own kubeconfig."""
    file = tmp_path / "home/.kube/config"
    file.parent.mkdir(parents=True)
    file.write_text(FOREIGN, encoding="ascii")
    return file


def test_it_comes_into_the_users_and_goes_with_the_machine(host: Host, store: Store, user: Path) -> None:
    assert kubeconfig.merge(host) == (str(user), "k1")
    found = yaml.safe_load(user.read_text(encoding="ascii"))
    assert found["clusters"][0]["cluster"]["server"] == "https://192.0.2.7:6443"
    assert found["current-context"] == "a"
    mark = found["contexts"][1]["context"]["extensions"][0]["extension"]
    assert mark == {"machine": "k1", "id": host.config.identity, "store": host.config.store_path}
    assert store.load("k1").membership[KUBECONFIG] == str(user)
    remove(store, "k1")
    assert user.read_text(encoding="ascii").startswith(FOREIGN)
    assert "k1" not in user.read_text(encoding="ascii")


def test_it_is_in_one_file_at_a_time(host: Host, store: Store, user: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    kubeconfig.merge(host)
    assert kubeconfig.merge(host, str(other), use=True) == (str(other), "k1")
    assert "k1" not in user.read_text(encoding="ascii")
    assert formats.current(other.read_bytes()) == "k1"
    # Without a name it stays where it is.
    assert kubeconfig.merge(host) == (str(other), "k1")
    assert store.load("k1").membership[KUBECONFIG] == str(other)


def test_a_file_that_cannot_be_changed_keeps_the_entry_where_it_is(
    host: Host, user: Path, tmp_path: Path
) -> None:
    kubeconfig.merge(host)
    before = user.read_bytes()
    broken = tmp_path / "broken"
    broken.write_bytes(b"a: [")
    with pytest.raises(KubeconfigError, match="not YAML"):
        kubeconfig.merge(host, str(broken))
    assert user.read_bytes() == before
    assert host.config.membership[KUBECONFIG] == str(user)


def test_one_without_its_keys_in_it_is_refused(host: Host, user: Path) -> None:
    own = kubeconfig.path(host)
    with open(own, encoding="ascii") as file:
        text = file.read()
    for wrong, reason in (
        (text.replace("client-key-data", "client-key"), 'no "client-key-data" in it'),
        (text.replace("client-key-data: ", "client-key-data: '!'#"), "not base64"),
        (text.replace("current-context: k1", "current-context: k2"), 'no context "k2"'),
    ):
        with open(own, "w", encoding="ascii") as file:
            file.write(wrong)
        with pytest.raises(KubeconfigError, match=reason):
            kubeconfig.merge(host)
    assert user.read_text(encoding="ascii") == FOREIGN


def test_a_machine_that_is_in_no_cluster_has_none(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    os.unlink(kubeconfig.path(host))
    with pytest.raises(NoKubeconfig, match=r"is not there .*dinv provision k1"):
        kubeconfig.read(host)
    monkeypatch.setattr(FakeProvisioner, "kubeconfig_path", classmethod(lambda _cls, _config: ""))
    for ask in (kubeconfig.read, kubeconfig.path, kubeconfig.merge):
        with pytest.raises(NoKubeconfig, match=r'not part of a Kubernetes cluster .*"docker"'):
            ask(host)


def test_what_nobody_would_remove_is_not_put_in(
    host: Host, user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeProvisioner, "membership", lambda _self: None)
    with pytest.raises(NotSupported, match="export KUBECONFIG="):
        kubeconfig.merge(host)
    assert user.read_text(encoding="ascii") == FOREIGN


def test_the_verb(host: Host, user: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = Program(capsys)
    where = ("-s", host.config.store_path)
    assert program("kubeconfig", *where, "--path", "k1") == 0
    own = program.out.strip()
    assert program("kubeconfig", *where, "k1") == 0
    with open(own, encoding="ascii") as file:
        assert program.out == file.read()
    assert program("kubeconfig", *where, "--merge", "k1") == 0
    assert f"{user}, context k1" in program.out
    assert program("kubeconfig", *where, "-q", "--use", "k1") == 0
    assert program.out == ""
    assert formats.current(user.read_bytes()) == "k1"

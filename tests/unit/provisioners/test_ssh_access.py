"""What a machine's SSH server is given, if its image has one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

import pytest

from dinv.errors import LocalError
from dinv.images.dind import DindContract
from dinv.images.dinv import DinvContract
from dinv.provisioners import ssh_access
from dinv.store.record import MachineConfig

if TYPE_CHECKING:
    from pathlib import Path

    from dinv.channel import File
    from dinv.drivers import Driver
    from dinv.images import ImageContract


class Features:
    def __init__(self, *names: str) -> None:
        self.features = frozenset(names)


def given(path: Path, contract: ImageContract, *features: str) -> list[File]:
    config = MachineConfig.new(
        name="dev", store_path=str(path), driver_name="docker", identity="7", created="now"
    )
    os.makedirs(config.directory, exist_ok=True)
    return ssh_access.files(config, cast("Driver", Features(*features)), contract)


def test_keys_for_both_sides(tmp_path: Path) -> None:
    files = {file.path: file for file in given(tmp_path, DinvContract(), "services", "sshd")}
    assert sorted(files) == [
        "/etc/dinv/ssh/authorized_keys",
        "/etc/dinv/ssh/ssh_host_ed25519_key",
        "/etc/dinv/ssh/ssh_host_ed25519_key.pub",
    ]
    machine = tmp_path / "machines" / "dev"
    authorized = files["/etc/dinv/ssh/authorized_keys"]
    assert authorized.content == (machine / "id_ed25519.pub").read_bytes()
    assert authorized.mode == files["/etc/dinv/ssh/ssh_host_ed25519_key"].mode == 0o600
    server = files["/etc/dinv/ssh/ssh_host_ed25519_key.pub"].content.split()[1]
    assert (machine / "known_hosts").read_bytes() == b"dinv-7 ssh-ed25519 " + server + b"\n"
    # The user's private key stays here, and the next time they are the same.
    assert all((machine / "id_ed25519").read_bytes() != file.content for file in files.values())
    again = given(tmp_path, DinvContract(), "sshd")
    assert {file.path: file.content for file in again} == {path: file.content for path, file in files.items()}


def test_nothing_for_those_that_have_none(tmp_path: Path) -> None:
    assert given(tmp_path, DinvContract(), "services") == []
    assert given(tmp_path, DindContract(), "sshd") == []
    assert os.listdir(tmp_path / "machines" / "dev") == []


def test_a_key_that_cannot_be_used_is_one_error(tmp_path: Path) -> None:
    given(tmp_path, DinvContract())
    (tmp_path / "machines" / "dev" / "id_ed25519").write_text("no key")
    with pytest.raises(LocalError, match=r'SSH keys of machine "dev".*cannot be used'):
        given(tmp_path, DinvContract(), "sshd")

"""The keys of SSH into a machine: made once, kept, and such as OpenSSH takes."""

from __future__ import annotations

import os
import stat
import subprocess
from typing import TYPE_CHECKING

import needs
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from dinv.pki import ssh_keys

if TYPE_CHECKING:
    from pathlib import Path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_pair_is_made_once_and_is_the_owners_alone(tmp_path: Path) -> None:
    public = ssh_keys.user_key(str(tmp_path), "dinv dev")
    private = (tmp_path / "id_ed25519").read_bytes()
    assert public.startswith(b"ssh-ed25519 AAAA")
    assert public.endswith(b" dinv dev\n")
    assert mode(tmp_path / "id_ed25519") == 0o600
    assert os.readlink(tmp_path / "id_rsa") == "id_ed25519"
    assert ssh_keys.user_key(str(tmp_path), "dinv other") == public
    assert (tmp_path / "id_ed25519").read_bytes() == private


def test_a_file_of_the_second_name_stays(tmp_path: Path) -> None:
    (tmp_path / "id_rsa").write_text("mine")
    ssh_keys.user_key(str(tmp_path), "dev")
    assert (tmp_path / "id_rsa").read_text() == "mine"


@pytest.mark.parametrize("lost", ["id_ed25519.pub", "id_ed25519"])
def test_half_a_pair_is_completed_or_made_anew(tmp_path: Path, lost: str) -> None:
    before = ssh_keys.user_key(str(tmp_path), "dev")
    (tmp_path / lost).unlink()
    after = ssh_keys.user_key(str(tmp_path), "dev")
    assert (after == before) is (lost == "id_ed25519.pub")
    key = serialization.load_ssh_private_key((tmp_path / "id_ed25519").read_bytes(), password=None)
    line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    assert after == line + b" dev\n" == (tmp_path / "id_ed25519.pub").read_bytes()


def test_the_servers_key_is_what_is_known(tmp_path: Path) -> None:
    public, private = ssh_keys.server_key(str(tmp_path), "dinv dev", "dinv-7")
    known = tmp_path / "known_hosts"
    assert known.read_bytes() == b"dinv-7 " + public.rsplit(b" ", 2)[0] + b"\n"
    assert private == (tmp_path / "ssh_host_ed25519_key").read_bytes()
    assert mode(tmp_path / "ssh_host_ed25519_key") == 0o600
    assert public not in ssh_keys.user_key(str(tmp_path), "dinv dev")
    known.write_text("dinv-7 ssh-ed25519 AAAAsomebodyElses\n")
    assert ssh_keys.server_key(str(tmp_path), "dinv dev", "dinv-7") == (public, private)
    assert known.read_bytes().split()[2] == public.split()[1]


def _another_kind() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )


@pytest.mark.parametrize("kind", ["text", "another kind"])
def test_a_private_key_that_cannot_be_used_is_told_and_kept(tmp_path: Path, kind: str) -> None:
    content = b"no key" if kind == "text" else _another_kind()
    (tmp_path / "id_ed25519").write_bytes(content)
    with pytest.raises(ValueError):  # noqa: PT011  (whatever the library says)
        ssh_keys.user_key(str(tmp_path), "dev")
    assert (tmp_path / "id_ed25519").read_bytes() == content


@needs.programs("ssh-keygen")
def test_openssh_takes_both(tmp_path: Path) -> None:
    for public, name in (
        (ssh_keys.user_key(str(tmp_path), "dinv dev"), "id_ed25519"),
        (ssh_keys.server_key(str(tmp_path), "dinv dev", "dinv-7")[0], "ssh_host_ed25519_key"),
    ):
        said = subprocess.run(
            ["ssh-keygen", "-y", "-f", tmp_path / name], capture_output=True, check=True, timeout=10
        ).stdout
        assert said.split()[:2] == public.split()[:2]
    found = subprocess.run(
        ["ssh-keygen", "-F", "dinv-7", "-f", tmp_path / "known_hosts"],
        capture_output=True,
        timeout=10,
        check=True,
    ).stdout
    assert public.split()[1] in found

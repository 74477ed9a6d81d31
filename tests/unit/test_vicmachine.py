"""What vic-machine leaves, and what becomes of it in people's hands."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from dinv import vicmachine
from dinv.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def folder(path: Path, text: str, *files: str) -> str:
    path.mkdir(exist_ok=True)
    (path / "vch.env").write_text(text)
    for name in files or ("ca.pem", "cert.pem", "key.pem"):
        (path / name).write_text("x")
    return str(path / "vch.env")


FORMS = (
    "DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH={path} DOCKER_HOST=vch.test:2376 COMPOSE_TLS_VERSION=TLSv1_2",
    "DOCKER_TLS_VERIFY=1\nDOCKER_CERT_PATH={path}\nDOCKER_HOST=vch.test:2376\n",
    'export DOCKER_TLS_VERIFY="1"\nexport DOCKER_CERT_PATH="{path}"\nexport DOCKER_HOST="vch.test:2376"\n',
    "DOCKER_HOST='vch.test:2376' DOCKER_TLS_VERIFY='1' DOCKER_CERT_PATH='{path}'",
    "\ufeffDOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH={path} DOCKER_HOST=vch.test:2376",
    "DOCKER_TLS_VERIFY=1\r\nDOCKER_CERT_PATH={path}\r\nDOCKER_HOST=vch.test:2376\r\n",
)


@pytest.mark.parametrize("form", FORMS)
def test_one_line_or_several_quoted_or_not(tmp_path: Path, form: str) -> None:
    path = folder(tmp_path / "vch", form.format(path=tmp_path / "vch"))
    found = vicmachine.read(path)
    assert found.host == "vch.test:2376"
    assert found.tls is not None
    assert found.tls.verify
    assert found.tls.cert == str(tmp_path / "vch" / "cert.pem")


@pytest.mark.parametrize("wrong", ["/elsewhere/vch", "vch", "C:\\\\Users\\\\me\\\\vch", ""])
def test_a_wrong_certificate_path_next_to_the_right_files(tmp_path: Path, wrong: str) -> None:
    path = folder(tmp_path / "vch", f"DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH={wrong} DOCKER_HOST=h:2376")
    tls = vicmachine.read(path).tls
    assert tls is not None
    assert tls.ca == str(tmp_path / "vch" / "ca.pem")


def test_a_folder_with_blanks_in_its_name(tmp_path: Path) -> None:
    path = tmp_path / "my vch"
    found = folder(path, f'DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH="{path}" DOCKER_HOST=h:2376')
    tls = vicmachine.read(found).tls
    assert tls is not None
    assert tls.key == str(path / "key.pem")


def test_zero_turns_verification_on_as_it_does_for_docker(tmp_path: Path) -> None:
    path = folder(tmp_path / "vch", "DOCKER_TLS_VERIFY=0 DOCKER_HOST=h:2376")
    tls = vicmachine.read(path).tls
    assert tls is not None
    assert tls.verify


def test_missing_files_are_named(tmp_path: Path) -> None:
    path = folder(tmp_path / "vch", "DOCKER_TLS_VERIFY=0 DOCKER_HOST=h:2376", "ca.pem")
    with pytest.raises(InputError, match=r"DOCKER_TLS_VERIFY=0.*cert\.pem"):
        vicmachine.read(path)


def test_a_server_certificate_only(tmp_path: Path) -> None:
    path = folder(tmp_path / "vch", "DOCKER_HOST=h:2376 COMPOSE_TLS_VERSION=TLSv1_2", "server-cert.pem")
    tls = vicmachine.read(path).tls
    assert tls is not None
    assert not tls.verify
    assert tls.cert is None


def test_without_tls(tmp_path: Path) -> None:
    assert vicmachine.read(folder(tmp_path / "vch", "DOCKER_HOST=tcp://h:2375", "x")).tls is None


@pytest.mark.parametrize("text", ["", "nonsense", "DOCKER_HOST=", "A=b"])
def test_what_vic_machine_never_wrote(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="DOCKER_HOST"):
        vicmachine.read(folder(tmp_path / "vch", text))


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "vch.env").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not text"):
        vicmachine.read(str(tmp_path / "vch.env"))


def test_the_file_is_found_in_its_folder(tmp_path: Path) -> None:
    path = folder(tmp_path / "vch", "DOCKER_HOST=h:2375")
    assert vicmachine.find(str(tmp_path / "vch")) == path
    assert vicmachine.find(path) == path
    assert vicmachine.find(os.path.join(str(tmp_path), "nothing")) is None


def test_a_folder_with_none_or_with_several(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no \.env file"):
        vicmachine.find(str(tmp_path))
    folder(tmp_path / "vch", "DOCKER_HOST=h:2375")
    (tmp_path / "vch" / "other.env").write_text("x")
    with pytest.raises(InputError, match="several"):
        vicmachine.find(str(tmp_path / "vch"))

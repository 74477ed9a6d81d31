"""What vic-machine leaves, and what becomes of it in people's hands."""

from __future__ import annotations

import os
import pathlib
import tempfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dinv.endpoints import vic_machine
from dinv.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def folder(path: Path, text: str, *files: str) -> str:
    path.mkdir(exist_ok=True)
    (path / "vch.env").write_bytes(text.encode("utf-8", "surrogatepass"))
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
    found = vic_machine.read(path)
    assert found.host == "vch.test:2376"
    assert found.tls is not None
    assert found.tls.verify
    assert found.tls.cert == str(tmp_path / "vch" / "cert.pem")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "ca.pem lies beside it"),
        ("DOCKER_TLS_VERIFY=", ":2: DOCKER_TLS_VERIFY has no value"),
        ("DOCKER_CERT_PATH=/x DOCKER_CERT_PATH=/y", "there already"),
        ("DOCKER_TLS=VERIFY=1", "another variable"),
        ("DOCKER_TLS_VERFIY=1", "DOCKER_TLS_VERIFY meant"),
        ("DOCKER_TLSVERIFY=1", "DOCKER_TLS_VERIFY meant"),
        ("XDOCKER_TLS_VERIFY=1", "DOCKER_TLS_VERIFY meant"),
        ("DOCKER_CERT_PATH=/x", "no DOCKER_TLS_VERIFY"),
        ("DOCKER_TLS_VERIFY: 1", ":2: this is not understood"),
        ("\N{NO-BREAK SPACE}DOCKER_TLS_VERIFY=1", ":2: this is not understood"),
    ],
)
def test_what_would_leave_the_vch_unverified_is_an_error(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        vic_machine.read(folder(tmp_path / "vch", f"DOCKER_HOST=h:2376\n{text}\n"))


def test_variables_of_others_are_left_alone(tmp_path: Path) -> None:
    more = "DOCKER_HOST_IP=10.0.0.1 DOCKER_CONFIG=/x DOCKER_API_VERSION=1.25 COMPOSE_HTTP_TIMEOUT=9 X=u"
    found = vic_machine.read(folder(tmp_path / "vch", f"{FORMS[1].format(path=tmp_path / 'vch')}{more}\n"))
    assert found.host == "vch.test:2376"
    assert found.tls is not None
    assert found.tls.verify


def test_a_file_that_would_be_cut_off_is_an_error(tmp_path: Path) -> None:
    text = "DOCKER_HOST=h:2376\n" + "#\n" * 40000 + "DOCKER_TLS_VERIFY=1\n"
    with pytest.raises(InputError, match="more than"):
        vic_machine.read(folder(tmp_path / "vch", text))


VALID = "# a VCH\nDOCKER_TLS_VERIFY=1 DOCKER_HOST=vch.test:2376\nexport COMPOSE_TLS_VERSION='TLSv1_2' A=b\n"


@given(at=st.integers(0, len(VALID)), put=st.characters(codec="utf-8") | st.just(""), cut=st.integers(0, 1))
@example(at=VALID.index("=1") + 1, put="", cut=1)
@example(at=VALID.index("_VERIFY"), put="=", cut=1)
@example(at=VALID.index("LS_VERIFY"), put="=", cut=0)
def test_no_slip_of_one_character_turns_verification_off(at: int, put: str, cut: int) -> None:
    """Apart from one that makes a comment of it, as people do on purpose."""
    text = VALID[:at] + put + VALID[at + cut :]
    if put == "#" or not text.startswith("# a VCH\n"):
        return
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "vch"
        try:
            found = vic_machine.read(folder(path, text))
        except InputError:
            return
    assert found.tls is not None
    assert found.tls.verify


@pytest.mark.parametrize("wrong", ["/elsewhere/vch", "vch", "C:\\\\Users\\\\me\\\\vch", ""])
def test_a_wrong_certificate_path_next_to_the_right_files(tmp_path: Path, wrong: str) -> None:
    path = folder(tmp_path / "vch", f"DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH={wrong} DOCKER_HOST=h:2376")
    tls = vic_machine.read(path).tls
    assert tls is not None
    assert tls.ca == str(tmp_path / "vch" / "ca.pem")


def test_a_folder_with_blanks_in_its_name(tmp_path: Path) -> None:
    path = tmp_path / "my vch"
    found = folder(path, f'DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH="{path}" DOCKER_HOST=h:2376')
    tls = vic_machine.read(found).tls
    assert tls is not None
    assert tls.key == str(path / "key.pem")


def test_zero_turns_verification_on_as_it_does_for_docker(tmp_path: Path) -> None:
    path = folder(tmp_path / "vch", "DOCKER_TLS_VERIFY=0 DOCKER_HOST=h:2376")
    tls = vic_machine.read(path).tls
    assert tls is not None
    assert tls.verify


def test_missing_files_are_named(tmp_path: Path) -> None:
    path = folder(tmp_path / "vch", "DOCKER_TLS_VERIFY=0 DOCKER_HOST=h:2376", "ca.pem")
    with pytest.raises(InputError, match=r"DOCKER_TLS_VERIFY=0.*cert\.pem"):
        vic_machine.read(path)


def test_a_server_certificate_only(tmp_path: Path) -> None:
    path = folder(tmp_path / "vch", "DOCKER_HOST=h:2376 COMPOSE_TLS_VERSION=TLSv1_2", "server-cert.pem")
    tls = vic_machine.read(path).tls
    assert tls is not None
    assert not tls.verify
    assert tls.cert is None


def test_without_tls(tmp_path: Path) -> None:
    assert vic_machine.read(folder(tmp_path / "vch", "DOCKER_HOST=tcp://h:2375", "x")).tls is None


@pytest.mark.parametrize("text", ["", "# nonsense", "DOCKER_HOST=", "A=b"])
def test_what_vic_machine_never_wrote(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="DOCKER_HOST"):
        vic_machine.read(folder(tmp_path / "vch", text))


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "vch.env").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not text"):
        vic_machine.read(str(tmp_path / "vch.env"))


def test_the_file_is_found_in_its_folder(tmp_path: Path) -> None:
    path = folder(tmp_path / "vch", "DOCKER_HOST=h:2375")
    (tmp_path / "vch" / "._vch.env").write_bytes(b"\0\5\x16\7")  # macOS, on exFAT
    assert vic_machine.find(str(tmp_path / "vch")) == path
    assert vic_machine.find(path) == path
    assert vic_machine.find(os.path.join(str(tmp_path), "nothing")) is None


def test_a_folder_with_none_or_with_several(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no \.env file"):
        vic_machine.find(str(tmp_path))
    folder(tmp_path / "vch", "DOCKER_HOST=h:2375")
    (tmp_path / "vch" / "other.env").write_text("x")
    with pytest.raises(InputError, match="several"):
        vic_machine.find(str(tmp_path / "vch"))

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from dinv.testing.vch import folder

if TYPE_CHECKING:
    from pathlib import Path

    from dinv.testing.vch.settings import TLSMode

NAME = "vch1"


def _certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("machine") / NAME
    folder.make(str(path), name=NAME, common_name="127.0.0.1", names=["127.0.0.1", "localhost"], tls="verify")
    return path


def test_the_files_of_vic_machine(made: Path) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in made.iterdir()}
    assert modes == {
        "ca.pem": 0o644,
        "ca-key.pem": 0o600,
        "server-cert.pem": 0o644,
        "server-key.pem": 0o600,
        "cert.pem": 0o644,
        "key.pem": 0o600,
        "cert.pfx": 0o600,
    }
    assert stat.S_IMODE(made.stat().st_mode) == 0o700


def test_certificates_are_signed_by_the_ca(made: Path) -> None:
    ca = _certificate(made / "ca.pem")
    key = ca.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    for name in ("server-cert.pem", "cert.pem"):
        found = _certificate(made / name)
        assert found.issuer == ca.subject
        assert found.signature_hash_algorithm is not None
        key.verify(
            found.signature, found.tbs_certificate_bytes, padding.PKCS1v15(), found.signature_hash_algorithm
        )


def test_the_server_is_named_and_the_client_is_not(made: Path) -> None:
    server = _certificate(made / "server-cert.pem")
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["127.0.0.1", "localhost"]
    assert _certificate(made / "cert.pem").subject.rfc4514_string() == f"O={NAME}"


def test_files_that_are_there_are_used_again(made: Path) -> None:
    before = (made / "server-cert.pem").read_bytes()
    folder.make(str(made), name=NAME, common_name="127.0.0.1", names=[], tls="verify")
    assert (made / "server-cert.pem").read_bytes() == before


def test_server_only_tls_has_no_ca(tmp_path: Path) -> None:
    folder.make(str(tmp_path / NAME), name=NAME, common_name="vch.example.com", names=[], tls="server")
    assert sorted(os.listdir(tmp_path / NAME)) == ["server-cert.pem", "server-key.pem"]
    found = _certificate(tmp_path / NAME / "server-cert.pem")
    assert found.issuer == found.subject


def test_the_env_file_is_one_line(tmp_path: Path) -> None:
    path = folder.write_env(
        str(tmp_path), name=NAME, host="10.0.0.1", port=2376, tls="verify", wrong_path=False
    )
    with open(path, encoding="utf-8") as file:
        assert file.read() == (
            f"DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH={tmp_path} DOCKER_HOST=10.0.0.1:2376 "
            "COMPOSE_TLS_VERSION=TLSv1_2\n"
        )
    assert os.path.basename(path) == f"{NAME}.env"


@pytest.mark.parametrize(
    ("tls", "port", "line"),
    [
        ("server", 2376, "DOCKER_HOST=10.0.0.1:2376 COMPOSE_TLS_VERSION=TLSv1_2\n"),
        ("none", 2375, "DOCKER_HOST=10.0.0.1:2375\n"),
    ],
)
def test_the_env_file_without_client_certificates(tmp_path: Path, tls: TLSMode, port: int, line: str) -> None:
    path = folder.write_env(
        str(tmp_path),
        name=NAME,
        host="10.0.0.1",
        port=port,
        tls=tls,
        wrong_path=False,
    )
    with open(path, encoding="utf-8") as file:
        assert file.read() == line


def test_the_wrong_path_of_vic_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = tmp_path / "certs" / NAME
    where.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    path = folder.write_env(str(where), name=NAME, host="h", port=2376, tls="verify", wrong_path=True)
    with open(path, encoding="utf-8") as file:
        assert f"DOCKER_CERT_PATH={tmp_path / NAME} " in file.read()

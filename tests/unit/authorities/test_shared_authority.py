"""A CA of the user's own: given, checked, made where there is none, recorded."""

from __future__ import annotations

import os
import threading
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st
from own_certificates import CA, CLIENT, KEYS, SERVER, Own, names, read
from shared_ca import shared_ca

from dinv.authorities import ca_elsewhere, of_machine, open_authority
from dinv.authorities.shared import SharedAuthority
from dinv.authorities.shared_options import OPTIONS
from dinv.errors import CertificateError, InputError, OptionError
from dinv.pki import certificates
from dinv.store.record import MachineConfig

if TYPE_CHECKING:
    from pathlib import Path


def config(store: Path, name: str = "dev") -> MachineConfig:
    return MachineConfig.new(
        name=name, store_path=str(store), driver_name="fake", identity="x", created="now"
    )


def issue(config: MachineConfig) -> dict[str, bytes]:
    """What a machine of that config is given; its directory is made."""
    os.makedirs(config.directory, exist_ok=True)
    authority = of_machine(config)
    certificates.issue(
        authority,
        machine=config.name,
        directory=config.directory,
        names=["10.0.0.7"],
        client=authority.client_pair(),
    )
    found = {}
    for name in os.listdir(config.directory):
        with open(os.path.join(config.directory, name), "rb") as file:
            found[name] = file.read()
    return found


# What is given


NAMES = [option.key for option in OPTIONS]


def opened(paths: dict[str, str]) -> SharedAuthority:
    return SharedAuthority(machine="dev", directory="", options=paths)


@given(st.sets(st.sampled_from(NAMES)))
def test_pairs_are_whole_and_a_client_needs_its_ca(options: set[str]) -> None:
    with TemporaryDirectory() as directory:
        authority = opened({option: f"{directory}/{option}.pem" for option in options})
        whole = all(
            (f"tls_{who}_cert" in options) == (f"tls_{who}_key" in options) for who in ("ca", "client")
        )
        if whole and "tls_ca_cert" in options:
            authority.check()
        else:
            said = (
                "given without"
                if options
                else 'authority is "shared", which needs tls_ca_cert and tls_ca_key'
            )
            with pytest.raises(OptionError, match=said):
                authority.check()


def test_paths_are_absolute_and_each_is_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    found = opened({"tls_ca_cert": "ca.pem", "tls_ca_key": "~/ca-key.pem"})
    assert found.ca == (str(tmp_path / "ca.pem"), "/home/somebody/ca-key.pem")
    with pytest.raises(OptionError, match="tls_ca_cert, tls_ca_key and their like name the same file twice"):
        opened({"tls_ca_cert": "ca.pem", "tls_ca_key": "./ca.pem"}).check()


# What is there


@pytest.mark.parametrize("kind", KEYS)
def test_a_ca_of_any_kind_of_key_signs(tmp_path: Path, kind: str) -> None:
    ca = Own("corporate", CA, kind=kind)
    ca.put(tmp_path, "ca")
    own = shared_ca(tmp_path)
    own.check()
    assert own.make_missing() == []
    dev = config(tmp_path / "store")
    own.record(dev)
    found = issue(dev)
    assert sorted(found) == ["ca.pem", "cert.pem", "key.pem", "server-key.pem", "server.pem"]
    assert found["ca.pem"] == ca.pem
    assert read(found["server.pem"]).issuer.rfc4514_string() == "CN=corporate"
    assert "10.0.0.7" in names(found["server.pem"])


@pytest.mark.parametrize("kind", ["P-256", "RSA"])
def test_a_key_as_docker_machine_and_openssl_once_wrote_it(tmp_path: Path, kind: str) -> None:
    """PKCS #1 and SEC 1; and docker-machine's CAs have no subject key identifier."""
    ca = Own("corporate", CA, kind=kind)
    ca.put(tmp_path, "ca")
    key = ca.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    (tmp_path / "ca-key.pem").write_bytes(key)
    shared_ca(tmp_path).check()


@pytest.mark.parametrize("kind", KEYS)
def test_a_client_of_any_kind_of_key_is_taken_as_it_is(tmp_path: Path, kind: str) -> None:
    ca = Own("corporate", CA)
    ca.put(tmp_path, "ca")
    client = Own("me", CLIENT, issuer=ca, kind=kind)
    client.put(tmp_path, "client")
    own = shared_ca(tmp_path, client=True)
    own.check()
    dev = config(tmp_path / "store")
    own.record(dev)
    found = issue(dev)
    assert (found["cert.pem"], found["key.pem"]) == (client.pem, client.key_pem())
    assert os.stat(os.path.join(dev.directory, "key.pem")).st_mode & 0o777 == 0o600


def test_with_all_its_issuers_a_lower_ca_will_do(tmp_path: Path) -> None:
    root = Own("root", CA)
    lower = Own("lower", CA, issuer=root)
    lower.put(tmp_path, "ca")
    with pytest.raises(CertificateError, match='issuer of "CN=lower" is missing'):
        shared_ca(tmp_path).check()
    (tmp_path / "ca.pem").write_bytes(lower.pem + root.pem)
    shared_ca(tmp_path).check()
    dev = config(tmp_path / "store")
    shared_ca(tmp_path).record(dev)
    assert issue(dev)["ca.pem"] == lower.pem + root.pem


SIGNS_NOTHING = x509.KeyUsage(
    digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
    key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
)  # fmt: skip


@pytest.mark.parametrize(
    ("ca", "reason"),
    [
        (Own("leaf"), "is not the certificate of a CA"),
        (Own("old", CA, days=(-9, -1)), "expired on"),
        (Own("early", CA, days=(1, 9)), "not valid before .* clock right"),
        (Own("ku", CA, SIGNS_NOTHING), "key usage of .* does not allow to sign"),
        (Own("eku", CA, SERVER), "not allowed to sign for clients"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_ca_is_said_before_anything_is_made(tmp_path: Path, ca: Own, reason: str) -> None:
    ca.put(tmp_path, "ca")
    with pytest.raises(CertificateError, match=reason):
        shared_ca(tmp_path).check()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("ca.pem", b"nonsense", r"No certificate can be read from .*ca\.pem"),
        ("ca-key.pem", b"nonsense", r"No private key can be read from .*ca-key\.pem"),
        ("ca-key.pem", Own("x").key_pem(), r"ca-key\.pem is not the key of .*ca\.pem"),
        ("ca-key.pem", Own("x").key_pem(b"secret"), r"ca-key\.pem is encrypted.*openssl pkey"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    Own("corporate", CA).put(tmp_path, "ca")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CertificateError, match=reason) as caught:
        shared_ca(tmp_path).check()
    assert "secret" not in str(caught.value)


CORPORATE = Own("corporate", CA)


@pytest.mark.parametrize(
    ("client", "reason"),
    [
        (Own("me", SERVER, issuer=CORPORATE), "does not have clientAuth"),
        (Own("me", CLIENT, issuer=Own("corporate", CA)), "does not lead to the trust anchor"),
        (Own("me", CLIENT, issuer=CORPORATE, days=(-9, -1)), "expired on"),
        (Own("me", CLIENT, CA, issuer=CORPORATE), "certificate of an authority"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_client_that_would_be_refused_is_said_too(tmp_path: Path, client: Own, reason: str) -> None:
    CORPORATE.put(tmp_path, "ca")
    client.put(tmp_path, "client")
    with pytest.raises(CertificateError, match=rf"client\.pem cannot be a client's certificate: .*{reason}"):
        shared_ca(tmp_path, client=True).check()


def test_a_clients_key_that_is_another(tmp_path: Path) -> None:
    CORPORATE.put(tmp_path, "ca")
    Own("me", CLIENT, issuer=CORPORATE).put(tmp_path, "client")
    (tmp_path / "client-key.pem").write_bytes(Own("x").key_pem())
    with pytest.raises(CertificateError, match=r"client-key\.pem is not its key"):
        shared_ca(tmp_path, client=True).check()


@pytest.mark.parametrize("lone", ["ca.pem", "ca-key.pem", "client.pem", "client-key.pem"])
def test_half_of_a_pair_is_said_by_name(tmp_path: Path, lone: str) -> None:
    CORPORATE.put(tmp_path, "ca")
    Own("me", CLIENT, issuer=CORPORATE).put(tmp_path, "client")
    missing = lone.replace(".pem", "-key.pem") if "-key" not in lone else lone.replace("-key", "")
    (tmp_path / missing).unlink()
    with pytest.raises(CertificateError) as caught:
        shared_ca(tmp_path, client=True).check()
    assert str(caught.value).startswith(f"{tmp_path / lone} is there, but not its ")
    assert str(tmp_path / missing) in str(caught.value)


def test_a_client_whose_ca_is_not_there(tmp_path: Path) -> None:
    Own("me", CLIENT, issuer=CORPORATE).put(tmp_path, "client")
    with pytest.raises(CertificateError, match="but not the CA that should have signed it"):
        shared_ca(tmp_path, client=True).check()


# What is not there


def test_what_is_not_there_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "somebody")
    own = shared_ca(tmp_path / "pki", client=True)
    own.check()
    assert not (tmp_path / "pki").exists()
    assert own.make_missing() == [own.ca[0], own.client[0]]
    assert own.make_missing() == []
    assert read((tmp_path / "pki" / "ca.pem").read_bytes()).subject.rfc4514_string() == (
        "CN=dinv CA of somebody,O=dinv"
    )
    assert read((tmp_path / "pki" / "client.pem").read_bytes()).subject.rfc4514_string() == (
        "CN=somebody client,O=dinv"
    )
    for name in ("ca-key.pem", "client-key.pem"):
        assert (tmp_path / "pki" / name).stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(tmp_path / "pki")) == ["ca-key.pem", "ca.pem", "client-key.pem", "client.pem"]


def test_eight_at_once_end_with_one_ca_and_files_that_match(tmp_path: Path) -> None:
    """docker-machine's cert.pem was not by its ca.pem in three of three trials."""
    gate = threading.Barrier(8)
    failed: list[BaseException] = []
    found: list[dict[str, bytes]] = []

    def create(number: int) -> None:
        try:
            own = shared_ca(tmp_path / "pki", client=True)
            gate.wait()
            own.check()
            own.make_missing()
            machine = config(tmp_path / "store", f"m{number}")
            own.record(machine)
            found.append(issue(machine))
        except BaseException as error:  # noqa: BLE001  (looked at where the test is)
            failed.append(error)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len({files["ca.pem"] for files in found}) == 1
    assert len({files["cert.pem"] for files in found}) == 1
    assert len({files["server.pem"] for files in found}) == 8
    shared_ca(tmp_path / "pki", client=True).check()


# What is recorded


def test_where_they_are_is_recorded_as_docker_machine_has_it(tmp_path: Path) -> None:
    """Relative in the store, which may be moved; absolute outside of it. No key is copied."""
    dev = config(tmp_path)
    shared_ca(tmp_path / "certs", client=True).record(dev)
    auth = dev.auth_options
    assert auth["CaCertPath"] == "certs/ca.pem"
    assert auth["CaPrivateKeyPath"] == "certs/ca-key.pem"
    assert (auth["ClientCertPath"], auth["ClientKeyPath"]) == ("certs/client.pem", "certs/client-key.pem")
    assert auth["ServerCertPath"] == "machines/dev/server.pem"
    elsewhere = config(tmp_path / "store")
    shared_ca(tmp_path / "pki").record(elsewhere)
    assert elsewhere.auth_options["CaCertPath"] == str(tmp_path / "pki" / "ca.pem")
    assert elsewhere.auth_options["ClientCertPath"] == "machines/dev/cert.pem"
    shown = elsewhere.shown()["HostOptions"]["AuthOptions"]
    assert shown["CaPrivateKeyPath"] == str(tmp_path / "pki" / "ca-key.pem")
    assert ca_elsewhere(elsewhere) == f"shared ({tmp_path}/pki/ca.pem)"
    assert ca_elsewhere(config(tmp_path)) == ""


def test_a_client_that_is_gone_is_taken_from_the_store(tmp_path: Path) -> None:
    own = shared_ca(tmp_path / "pki", client=True)
    own.make_missing()
    dev = config(tmp_path)
    own.record(dev)
    before = issue(dev)
    os.unlink(own.client[0])
    assert issue(dev)["cert.pem"] == before["cert.pem"]
    os.unlink(os.path.join(dev.directory, "key.pem"))
    with pytest.raises(CertificateError, match=r"client\.pem cannot be read"):
        issue(dev)


@pytest.mark.parametrize("lost", ["CaCertPath", "CaPrivateKeyPath"])
def test_a_ca_that_is_gone_is_said(tmp_path: Path, lost: str) -> None:
    own = shared_ca(tmp_path / "pki")
    own.make_missing()
    dev = config(tmp_path / "store")
    own.record(dev)
    os.unlink(dev.auth_options[lost])
    with pytest.raises(CertificateError, match=r"is not there any more\. Put it back\. What it has signed"):
        issue(dev)
    dev.auth_options[lost] = ""
    with pytest.raises(CertificateError, match="did not come along when the machine was imported"):
        issue(dev)


def test_an_option_that_it_does_not_have_is_said() -> None:
    with pytest.raises(InputError, match='authority "shared" has no option url'):
        open_authority("shared", machine="dev", directory="", options={"url": "z"})

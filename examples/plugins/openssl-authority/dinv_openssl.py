"""An authority that has openssl sign, with a CA whose private key is encrypted.

dinv's own authorities ask for no passphrase; this one takes it from a variable whenever it signs.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import subprocess
import tempfile
from typing import TYPE_CHECKING

from dinv.authorities import Authority
from dinv.declaration import INTEGER, PATH, Option
from dinv.errors import CertificateError, OptionError
from dinv.wording import option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dinv.authorities import CertificateRequest

SECONDS = 30
PASSPHRASE = "OPENSSL_CA_PASSPHRASE"  # noqa: S105  (the name of a variable)


class OpenSSLAuthority(Authority):
    """Signs with `openssl x509 -req`. The CA's files are ca.pem and ca-key.pem in a directory."""

    name = "openssl"

    @classmethod
    def create_flags(cls) -> Sequence[Option]:
        return (
            Option(
                "openssl-ca",
                "OPENSSL_CA",
                "directory with ca.pem and ca-key.pem, which is encrypted",
                type=PATH,
                metavar="DIR",
            ),
            Option(
                "openssl-days",
                "OPENSSL_CA_DAYS",
                "how long certificates are valid (90)",
                type=INTEGER,
                metavar="DAYS",
                default=90,
            ),
            Option("openssl-passphrase", PASSPHRASE, "of the CA's key", secret=True),
        )

    @property
    def ca_elsewhere(self) -> str:
        return f"in {self.options['openssl_ca']}"

    def check(self) -> None:
        if not self.options["openssl_ca"]:
            raise OptionError('The authority "openssl" needs ' + option("openssl-ca", "DIR"))
        self.trust_anchor()
        # With a wrong passphrase nothing can be signed: better known now.
        self._openssl("pkey", "-in", self._file("ca-key.pem"), "-passin", f"env:{PASSPHRASE}", "-noout")

    def trust_anchor(self) -> bytes:
        try:
            with open(self._file("ca.pem"), "rb") as file:
                return file.read()
        except OSError as error:
            raise CertificateError(f"{error.filename}: {error.strerror}") from error

    def certificate(self, request: CertificateRequest) -> bytes:
        with tempfile.TemporaryDirectory() as directory:
            csr, extensions = os.path.join(directory, "csr.pem"), os.path.join(directory, "extensions")
            with open(csr, "wb") as file:
                file.write(request.csr)
            with open(extensions, "w", encoding="ascii") as text:
                text.write(_extensions(request))
            return self._openssl(
                *("x509", "-req", "-in", csr, "-sha256", "-days", str(self.options["openssl_days"])),
                *("-CA", self._file("ca.pem"), "-CAkey", self._file("ca-key.pem")),
                *("-passin", f"env:{PASSPHRASE}", "-set_serial", f"0x{secrets.token_hex(16)}"),
                *("-extfile", extensions),
            )

    def _file(self, name: str) -> str:
        return os.path.join(self.options["openssl_ca"] or "", name)

    def _openssl(self, *words: str) -> bytes:
        passphrase = str(self.options["openssl_passphrase"] or "")
        try:
            done = subprocess.run(
                ["openssl", *words],
                env={**os.environ, PASSPHRASE: passphrase},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CertificateError(f"openssl cannot sign: {error}") from error
        if done.returncode:
            said = (done.stderr.decode(errors="replace").strip().splitlines() or ["it says nothing"])[0]
            raise CertificateError(
                f"openssl cannot use the CA in {self.options['openssl_ca']}: {said}. "
                f"Its passphrase is taken from {PASSPHRASE}."
            )
        return done.stdout


def _extensions(request: CertificateRequest) -> str:
    """x509v3_config(5)."""
    lines = [
        "basicConstraints = critical, CA:FALSE",
        "keyUsage = critical, digitalSignature",
        f"extendedKeyUsage = {request.role}Auth",
        "subjectKeyIdentifier = hash",
        "authorityKeyIdentifier = keyid",
    ]
    if request.names:
        lines.append(f"subjectAltName = {', '.join(map(_alternative, request.names))}")
    return "\n".join([*lines, ""])


def _alternative(name: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"

"""The "local" authority: a CA of its own for each machine, in the machine's directory.

`ca-key.pem` (0600) is written before `ca.pem` (0644). A process killed between the two leaves a key that has
signed nothing yet: the CA is then completed with a new certificate for that key. If certificates lie beside
a key alone, somebody has removed `ca.pem`, and that is an error.
"""

from __future__ import annotations

import os

from cryptography.hazmat.primitives import serialization

from dinv.authorities import Authority
from dinv.errors import CertificateError, StoreNotWritable
from dinv.pki import pem
from dinv.pki.certificates import load_chain, load_key, new_key
from dinv.pki.signing import fault, self_signed, sign
from dinv.system import files
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from cryptography import x509

    from dinv.pki.certificates import PrivateKey
    from dinv.pki.requests import CertificateRequest
    from dinv.store.record import MachineConfig

    _Signer = tuple[x509.Certificate, PrivateKey]

_SIGNED = ("server.pem", "cert.pem")


class LocalAuthority(Authority):
    """Signs with the CA of one machine, which is made when it is first needed.

    `certificate` and `trust_anchor` raise CertificateError if half of the CA is missing, or if it is expired
    or not a CA; and StoreNotWritable if a new one cannot be written.
    """

    name = "local"
    ca_per_machine = True
    makes_ca = True
    ca_elsewhere = ""
    issues = ("CA", "server", "client")

    def __init__(self, *, machine: str, directory: str, options: Mapping[str, Any]) -> None:
        super().__init__(machine=machine, directory=directory, options=options)
        self._certificate_path = os.path.join(directory, "ca.pem")
        self._key_path = os.path.join(directory, "ca-key.pem")
        self._signer: _Signer | None = None

    def trust_anchor(self) -> bytes:
        """Return the CA's certificate."""
        return self._ca()[0].public_bytes(serialization.Encoding.PEM)

    def certificate(self, request: CertificateRequest) -> bytes:
        """Sign for `request`: the key is the CSR's, everything else comes from the request and from here.

        The certificate is valid for the requested lifetime, by default 825 days, and at most as long as the
        CA is. It comes without a chain: its issuer is the trust anchor.
        """
        if request.machine != self.machine:
            raise CertificateError(
                f'The CA of machine "{self.machine}" does not sign for machine "{request.machine}". '
                f"Each machine has its own."
            )
        return sign(request, self._ca)

    @classmethod
    def after_import(cls, config: MachineConfig) -> str:  # the CA was imported with the machine
        return ""

    def _ca(self) -> _Signer:
        if self._signer is None:
            self._signer = self._load_or_make()
        return self._signer

    def _load_or_make(self) -> _Signer:
        key_pem = pem.read_if_there(self._key_path)
        certificate_pem = pem.read_if_there(self._certificate_path)
        if key_pem is None and certificate_pem is None:
            key_pem = new_key()
            self._write(self._key_path, key_pem, 0o600)
        elif key_pem is None:
            raise self._broken(f"{self._certificate_path} is there, but not its key {self._key_path}")
        elif certificate_pem is None and any(
            os.path.exists(os.path.join(self.directory, name)) for name in _SIGNED
        ):
            raise self._broken(f"{self._key_path} is there, but not its certificate {self._certificate_path}")
        key = load_key(key_pem, self._key_path)
        if certificate_pem is None:
            certificate = self_signed(key, f"dinv CA for {self.machine}", lifetime=self.ca_lifetime)
            certificate_pem = certificate.public_bytes(serialization.Encoding.PEM)
            self._write(self._certificate_path, certificate_pem, 0o644)
        else:
            certificate = load_chain(certificate_pem, self._certificate_path)[0]
            wrong = fault(certificate, key, self._certificate_path, self._key_path)
            if wrong:
                raise self._broken(wrong)
        return certificate, key

    def _write(self, path: str, data: bytes, mode: int) -> None:
        try:
            files.write(path, data, mode=mode)
        except OSError as error:
            raise StoreNotWritable(path, error.strerror or str(error)) from error

    def _broken(self, what: str) -> CertificateError:
        return CertificateError(
            f'The CA of machine "{self.machine}" cannot be used: {what}. Restore both files from a backup, '
            "or make the machine anew: "
            + command("rm", self.machine)
            + ", then "
            + command("create", self.machine)
        )

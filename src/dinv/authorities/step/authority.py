"""The "step" authority: smallstep's step-ca, by a JWK provisioner.

A request goes to /1.0/sign with a one-time token, which the provisioner's key signs here. The provisioner's
template decides what is signed, and by default it grants both usages, which dinv refuses. So the token has a
claim `dinv_role`, "server" or "client", and the template has to go by it. The trust anchor is the CA's root:
a file, or fetched by its fingerprint.

Written to the source (smallstep/certificates: api/sign.go, authority/authorize.go, and jwk.go in
authority/provisioner) and tested with a stand-in that follows it. It has not been tried with a real step-ca.
"""

from __future__ import annotations

import re

from cryptography.hazmat.primitives import serialization

from dinv.authorities import Authority
from dinv.authorities.step.client import StepClient
from dinv.authorities.step.options import OPTIONS
from dinv.authorities.step.token import ProvisionerKey, fitting
from dinv.errors import CertificateError, OptionError
from dinv.pki import pem
from dinv.pki.certificates import subject
from dinv.pki.chain import signed_by
from dinv.pki.names import common_name
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from cryptography import x509

    from dinv.declaration import Option
    from dinv.pki.requests import CertificateRequest, Fault, Role
    from dinv.progress import Progress

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_CLAIM = "dinv_role"
"""In the token, for the provisioner's template: "server" or "client"."""


class StepAuthority(Authority):
    """Signs with a step-ca."""

    name = "step"

    def __init__(self, *, machine: str, directory: str, options: Mapping[str, Any]) -> None:
        super().__init__(machine=machine, directory=directory, options=options)
        self._provisioner = self._option("step-provisioner")
        self._opened: StepClient | None = None

    @classmethod
    def create_flags(cls) -> Sequence[Option]:
        return OPTIONS

    @property
    def ca_elsewhere(self) -> str:
        return f'kept by the authority "step" ({self._option("step-url")})'

    def check(self) -> None:
        """Check that the CA answers and has the root, and a provisioner with this name and key.

        Raises OptionError, CertificateError. Nothing is signed.
        """
        key = self._key()
        if key is None:
            self._client.healthy()
            return
        server = self._client.server
        found = {str(each.get("name")): each.get("key") for each in self._client.provisioners()}
        if self._provisioner not in found:
            there = ", ".join(f'"{name}"' for name in sorted(found)) or "none"
            raise OptionError(
                f"is not a JWK provisioner of {server.address}; those there are: {server.quoted(there)}",
                option="step-provisioner",
                value=self._provisioner,
            )
        public = found[self._provisioner]
        kid = public.get("kid") if isinstance(public, dict) else None
        if kid != key.kid:
            raise OptionError(
                f'is not the key of the provisioner "{self._provisioner}": the identifier (kid) of this one '
                f"is {key.kid}, of the other {server.quoted(str(kid))}",
                option="step-key",
                value=self._option("step-key"),
            )

    def prepare(self, progress: Progress) -> None:
        """Say whom the machine will let in."""
        names = ", ".join(f'"{common_name(each.subject)}"' for each in self._client.roots())
        progress.note(
            f"Whoever has a client certificate from {names}, or below, can reach {self.machine} too"
        )

    def trust_anchor(self) -> bytes:
        """Return the root: of the file, or what the CA has by this fingerprint."""
        return _in_pem(self._client.roots())

    def certificate(self, request: CertificateRequest) -> bytes:
        """Have the provisioner sign it; return the chain without the root."""
        body = {"csr": request.csr.decode(), "ott": self._token(request)}
        if request.lifetime is not None:
            body["notAfter"] = f"{request.lifetime}s"
        leaf, *issuers = self._client.sign(body)
        return _in_pem([leaf, *(each for each in issuers if not signed_by(each, each))])

    def remedy(self, fault: Fault, role: Role) -> str:
        if fault == "usage":
            return (
                f'Let the template of {self._named} have "extKeyUsage": ["{role}Auth"] where the token\'s '
                f'{_CLAIM} is "{role}": docs/authorities.md has one. step-ca\'s own has both usages.'
            )
        if fault == "lifetime":
            return f"Raise maxTLSCertDuration of {self._named}, or ask for less, by " + (
                option("cert-lifetime") + "."
            )
        if fault in ("names", "holder"):
            return f'Let the template of {self._named} have "subject": {{{{ toJson .Subject }}}} and .SANs.'
        if fault in ("chain", "root"):
            return "See " + option("step-fingerprint") + " and " + option("step-root") + "."
        return ""

    # Its options

    def _option(self, name: str) -> str:
        return str(self.options[name.replace("-", "_")] or "")

    @property
    def _named(self) -> str:
        return f'the provisioner "{self._provisioner}"' if self._provisioner else "the token's provisioner"

    @property
    def _fingerprint(self) -> str:
        return self._option("step-fingerprint").replace(":", "").strip().lower()

    def _check_options(self) -> None:
        if not self._option("step-url"):
            raise OptionError('is not given, and the authority "step" needs it', option="step-url")
        if not self._option("step-root") and not self._fingerprint:
            raise OptionError(
                "or "
                + option("step-root", "FILE")
                + ' is what the authority "step" needs: the CA has to be known by one of them. '
                "`step certificate fingerprint root_ca.crt` prints it",
                option="step-fingerprint",
            )
        if not self._option("step-root") and not _FINGERPRINT.fullmatch(self._fingerprint):
            raise OptionError(
                "is not the SHA-256 of a certificate, 64 hexadecimal digits",
                option="step-fingerprint",
                value=self._option("step-fingerprint"),
            )
        if self.options["step_token"]:
            return
        for name in ("step-provisioner", "step-key"):
            if not self._option(name):
                raise OptionError('is not given, and the authority "step" needs it', option=name)

    @property
    def _client(self) -> StepClient:
        if self._opened is None:
            self._check_options()
            self._opened = StepClient(
                self._option("step-url"),
                root=self._option("step-root"),
                fingerprint=self._fingerprint,
                provisioner=self._named,
            )
        return self._opened

    def _key(self) -> ProvisionerKey | None:
        """Return the provisioner's key; None if tokens are given."""
        self._check_options()
        path = self._option("step-key")
        return None if self.options["step_token"] else ProvisionerKey(pem.read(path), path)

    def _token(self, request: CertificateRequest) -> str:
        name = common_name(subject(request.role, request.machine, request.holder))
        key = self._key()
        if key is not None:
            claims: dict[str, Any] = {
                "iss": self._provisioner,
                "aud": f"{self._client.server.address}/1.0/sign",
                "sub": name,
                _CLAIM: request.role,
            }
            return key.token({**claims, "sans": list(request.names)} if request.names else claims)
        tokens = [each.strip() for each in str(self.options["step_token"]).split(",")]
        found = fitting(tokens, name, request.names)
        if not found:
            names = "".join(f" --san {each}" for each in request.names)
            raise CertificateError(
                f'Of the given tokens none is for the {request.role} certificate of "{name}". Have one made '
                f'(`step ca token "{name}"{names}`), and give it by the variable DINV_STEP_TOKEN.'
            )
        return found


def _in_pem(certificates: Iterable[x509.Certificate]) -> bytes:
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)

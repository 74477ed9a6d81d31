"""The "vault" authority: the PKI secrets engine of HashiCorp Vault, or of OpenBao, which has the same API.

A request goes to MOUNT/sign/ROLE, with one role for servers and another for clients: a role grants its
usages to whatever it signs. What is signed is decided by the role; sign-verbatim, which takes what the
request says, is never used. The trust anchor is the root above the mount's issuer.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from cryptography.hazmat.primitives import serialization

from dinv.authorities import Authority
from dinv.authorities.vault.client import VaultClient
from dinv.authorities.vault.options import OPTIONS
from dinv.authorities.vault.roles import check_holder, check_role, pem_of, remedy
from dinv.errors import CertificateError, OptionError
from dinv.pki import pem
from dinv.pki.certificates import general_names, load_chain, subject
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

_ROLE = re.compile(r"\w(?:[\w.-]*\w)?", re.ASCII)  # GenericNameRegex in sdk/framework/path.go
_MOUNT = re.compile(r"\w[\w.-]*(?:/\w[\w.-]*)*", re.ASCII)
_NEEDED = {
    "vault-addr": "",
    "vault-role": "",
    "vault-client-role": ": a role signs for one side only, so users' certificates need another",
}


class VaultAuthority(Authority):
    """Signs with the PKI secrets engine of a Vault or an OpenBao."""

    name = "vault"

    def __init__(self, *, machine: str, directory: str, options: Mapping[str, Any]) -> None:
        super().__init__(machine=machine, directory=directory, options=options)
        self._roles: dict[Role, str] = {
            "server": self._option("vault-role"),
            "client": self._option("vault-client-role"),
        }
        self._mount = self._option("vault-mount").strip("/")
        self._opened: VaultClient | None = None
        self._trusted: list[x509.Certificate] = []
        self._read: dict[Role, dict[str, Any]] = {}
        self._warnings: object = None
        """Those of the last answer."""

    @classmethod
    def create_flags(cls) -> Sequence[Option]:
        return OPTIONS

    @property
    def ca_elsewhere(self) -> str:
        return f'kept by the authority "vault" ({self._option("vault-addr")}, {self._mount})'

    def check(self) -> None:
        """Check that both roles can be signed by, and that they would do as far as the token may read them.

        Raises OptionError, CertificateError. Asks for a signature without sending a CSR, which the server
        refuses only after everything else: nothing is signed.
        """
        for role in self._roles:
            self._client.try_out(self._path(role), expected="csr")
            facts = self._facts(role)
            if facts:
                check_role(facts, role, self._path(role))
        self._anchors()

    def prepare(self, progress: Progress) -> None:
        """Say whom the machine will let in."""
        names = ", ".join(f'"{common_name(each.subject)}"' for each in self._anchors())
        progress.note(
            f"Whoever has a client certificate from {names}, or below, can reach {self.machine} too"
        )

    def trust_anchor(self) -> bytes:
        """Return the roots above the issuers of both roles, or those that the option names."""
        return _in_pem(self._anchors())

    def certificate(self, request: CertificateRequest) -> bytes:
        """Have the role for the request's side sign it; return the chain without the root."""
        path = self._path(request.role)
        names = [each.value for each in general_names(request.names)]
        body = {
            # The CSR says the same: it is for the role to decide which of the two counts.
            "csr": request.csr.decode(),
            "common_name": common_name(subject(request.role, request.machine, request.holder)),
            "alt_names": ",".join(name for name in names if isinstance(name, str)),
            "ip_sans": ",".join(str(name) for name in names if not isinstance(name, str)),
            "ttl": "" if request.lifetime is None else f"{request.lifetime}s",
        }
        body = {key: value for key, value in body.items() if value}
        answer = self._client.write(path, {**body, "exclude_cn_from_sans": True, "format": "pem"})
        self._warnings = answer.get("warnings")
        chain = _chain(answer["data"])
        check_holder(chain[0], request, path)
        return _in_pem(chain)

    def remedy(self, fault: Fault, role: Role) -> str:
        return remedy(fault, role, self._path(role), self._warnings)

    # Its options

    def _option(self, name: str) -> str:
        return str(self.options[name.replace("-", "_")] or "")

    @property
    def _client(self) -> VaultClient:
        if self._opened is None:
            self._check_options()
            self._opened = VaultClient(self.options)
        return self._opened

    def _check_options(self) -> None:
        for name, why in _NEEDED.items():
            if not self._option(name):
                raise OptionError(f'is not given, and the authority "vault" needs it{why}', option=name)
        for name in ("vault-role", "vault-client-role"):
            if not _ROLE.fullmatch(self._option(name)):
                raise OptionError("is not the name of a role", option=name, value=self._option(name))
        for name in ("vault-mount", "vault-approle-mount"):
            if not _MOUNT.fullmatch(self._option(name).strip("/")):
                raise OptionError("is not the path of a mount", option=name, value=self._option(name))
        if self._roles["server"] == self._roles["client"]:
            raise OptionError(
                "is the same as "
                + option("vault-role")
                + ". A role grants its usages to whatever it signs: whoever has the machine's certificate "
                "could use it as a client's. Make two roles, one with server_flag=true client_flag=false, "
                "and one the other way round",
                option="vault-client-role",
                value=self._roles["client"],
            )
        if self._option("vault-token-file") and self._option("vault-role-id"):
            raise OptionError(
                "is given beside " + option("vault-role-id") + ": one of the two is to log in by",
                option="vault-token-file",
            )

    # What the server has

    def _path(self, role: Role) -> str:
        return f"{self._mount}/sign/{self._roles[role]}"

    def _facts(self, role: Role) -> dict[str, Any]:
        """Return what a role says; nothing if the token may not read it."""
        if role not in self._read:
            self._read[role] = self._client.read(f"{self._mount}/roles/{self._roles[role]}") or {}
        return self._read[role]

    def _anchors(self) -> list[x509.Certificate]:
        if not self._trusted:
            path = self._option("vault-anchor")
            self._trusted = load_chain(pem.read(path), path) if path else self._roots()
        return self._trusted

    def _roots(self) -> list[x509.Certificate]:
        issuers = dict.fromkeys(str(self._facts(role).get("issuer_ref") or "default") for role in self._roles)
        found: list[x509.Certificate] = []
        for issuer in issuers:
            chain = self._issuer_chain(issuer)
            roots = [each for each in chain if signed_by(each, each)]
            if not roots:
                raise self._rootless(chain[-1])
            found += [each for each in roots if each not in found]
        return found

    def _issuer_chain(self, issuer: str) -> list[x509.Certificate]:
        # Vault before 1.11 has one issuer in a mount, and not the first of these.
        for path in (f"issuer/{quote(issuer, safe='')}/json", "cert/ca_chain"):
            data = self._client.read(f"{self._mount}/{path}") or {}
            found = pem_of(data.get("ca_chain")) or pem_of(data.get("certificate"))
            if found.strip():
                return load_chain(found, f"the CA chain of {self._mount}")
        raise CertificateError(
            f"{self._mount} has no CA yet: make one (`bao write {self._mount}/root/generate/internal ...`)."
        )

    def _rootless(self, top: x509.Certificate) -> CertificateError:
        return CertificateError(
            f'The CA chain of {self._mount} ends at "{top.subject.rfc4514_string()}", which is not a root: '
            f"clients that use OpenSSL, such as Python, trust roots only. Give the mount the certificate of "
            f'"{top.issuer.rfc4514_string()}" too (`bao write {self._mount}/issuers/import/cert '
            f"pem_bundle=@root.pem`), or name it by " + option("vault-anchor", "FILE") + "."
        )


def _chain(data: Mapping[str, Any]) -> list[x509.Certificate]:
    """Return the certificate in an answer, and the issuers above it, without a root."""
    leaf = load_chain(pem_of(data.get("certificate")), "the certificate in Vault's answer")[0]
    above = pem_of(data.get("ca_chain")) or pem_of(data.get("issuing_ca"))
    issuers = load_chain(above, "the CA chain in Vault's answer") if above.strip() else []
    return [leaf, *(each for each in issuers if not signed_by(each, each))]


def _in_pem(certificates: Iterable[x509.Certificate]) -> bytes:
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)

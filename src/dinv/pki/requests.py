"""What an authority is asked to sign, and what `pki.certificates.issue` needs of one."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, Protocol

    Role = Literal["server", "client"]
    Fault = Literal["key", "names", "usage", "dates", "lifetime", "chain", "root", "strict", "holder"]
    """What is wrong with a certificate that an authority signed: it is for another key, not for all names,
    for another use or for more uses, not valid now, valid longer or shorter than asked; it does not lead to
    the trust anchor; that is not a root; strict verifiers refuse it; it is for somebody else."""
else:  # typing costs 5 ms at each start, and a protocol does nothing at run time
    Protocol = object


class CertificateRequest:
    """What an authority is asked to sign.

    `csr`: the signing request, PEM; it holds the public key, a subject and the names, signed with the key.
    `role`: "server" (the machine's daemon) or "client" (its users).
    `names`: DNS names and IP addresses that the certificate must be valid for; may be empty for a client.
    `machine`: the machine's name.
    `holder`: who a client's certificate is for, if it is not the machine's owner; "" otherwise.
    `lifetime`: for how many seconds it is to be valid; None leaves that to the authority.
    """

    __slots__ = ("csr", "holder", "lifetime", "machine", "names", "role")

    def __init__(
        self,
        *,
        csr: bytes,
        role: Role,
        names: tuple[str, ...],
        machine: str,
        holder: str = "",
        lifetime: int | None = None,
    ) -> None:
        self.csr = csr
        self.role = role
        self.names = names
        self.machine = machine
        self.holder = holder
        self.lifetime = lifetime

    def __repr__(self) -> str:
        return f"CertificateRequest(role={self.role!r}, names={self.names!r}, machine={self.machine!r})"


class Signer(Protocol):
    """Signs certificates; see `dinv.authorities.Authority`."""

    def certificate(self, request: CertificateRequest) -> bytes:
        """Sign `request`; returns the chain in PEM. Raises CertificateError."""

    def trust_anchor(self) -> bytes:
        """Return the CA certificates, PEM, that machine and users trust. Raises CertificateError."""

    @property
    def strict(self) -> bool:
        """Whether what it signs has to pass OpenSSL's strict mode."""

    def remedy(self, fault: Fault, role: Role) -> str:
        """Return what to change so that its certificates for `role` have no such fault any more, or ""."""

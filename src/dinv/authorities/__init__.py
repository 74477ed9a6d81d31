"""Authorities: who signs the certificates of a machine.

An authority gets a certificate signing request and gives back a signed chain; private keys stay with
`dinv.pki.certificates`, which makes them. Built in are the names in `BUILT_IN`; other packages add theirs in
the entry-point group `dinv.authorities`:

    [project.entry-points."dinv.authorities"]
    corporate = "corporate_pki.dinv:CorporateAuthority"

What an entry point names, mostly a class, is called with keyword arguments only (`Opener`):

- `machine`: the machine's name, for subjects, policies and records on the authority's side;
- `directory`: the machine's directory in the store, where an authority may keep what is its own. It need
  not exist yet, and nothing is read, written or connected before the first `certificate` or `trust_anchor`;
- `options`: what the user set for this authority, text to text: a URL, a profile, a command. They are kept
  in the machine's config.json, so a secret is never among them: an authority takes it from its own
  environment variable, or from a file that an option names. An option that the authority does not know
  raises InputError, and so does a value that it cannot use, both when it is called.
"""

from __future__ import annotations

from dinv import plugins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal, Protocol

    Role = Literal["server", "client"]
else:  # typing costs 5 ms at each start, and a protocol does nothing at run time
    Protocol = object

GROUP = "dinv.authorities"
BUILT_IN = {
    "local": "dinv.authorities.local:LocalAuthority",
    "shared": "dinv.authorities.shared:SharedAuthority",
}


class CertificateRequest:
    """What an authority is asked to sign.

    `csr`: the signing request, PEM; it carries the key, a subject and the names, signed with the key.
    `role`: "server" (the machine's daemon) or "client" (its users).
    `names`: DNS names and IP addresses the certificate has to be good for; may be empty for a client.
    `machine`: the machine's name.
    """

    __slots__ = ("csr", "machine", "names", "role")

    def __init__(self, *, csr: bytes, role: Role, names: tuple[str, ...], machine: str) -> None:
        self.csr = csr
        self.role = role
        self.names = names
        self.machine = machine

    def __repr__(self) -> str:
        return f"CertificateRequest(role={self.role!r}, names={self.names!r}, machine={self.machine!r})"


class Authority(Protocol):
    """Signs certificates.

    Every method ends in bounded time, and raises CertificateError when it cannot do its work.
    """

    def certificate(self, request: CertificateRequest) -> bytes:
        """Sign `request`; returns the chain in PEM: the certificate, then its issuers up to the trust anchor.

        The anchor itself may be left out. `role` and `names` of the request are what is asked for; an
        authority that grants others raises CertificateError, or has its chain refused by dinv.
        """

    def trust_anchor(self) -> bytes:
        """Return the CA certificates, PEM, by which machine and users know each other."""


class Opener(Protocol):
    """What a name in the table or an entry point stands for; see the head of this module."""

    def __call__(self, *, machine: str, directory: str, options: Mapping[str, str]) -> Authority:
        """Return the authority for `machine`. Raises InputError for options that it cannot use."""


def open_authority(
    name: str, *, machine: str, directory: str, options: Mapping[str, str] | None = None
) -> Authority:
    """Return the authority `name` for a machine whose directory in the store is `directory`.

    Raises InputError: there is no such authority, or it cannot use the options.
    """
    return find(name)(machine=machine, directory=directory, options=options or {})


def find(name: str) -> Opener:
    """Return what opens the authority `name`. Entry points are looked at only when it is not built in.

    Raises InputError: there is none of this name, or its package cannot be loaded.
    """
    opener: Opener = plugins.find(name, group=GROUP, built_in=BUILT_IN, what="authority")
    return opener


def known() -> list[str]:
    """Return the names of all authorities, built in or not, sorted. Scans the entry points."""
    return plugins.known(group=GROUP, built_in=BUILT_IN)

"""The Authority seam: who signs the certificates of a machine.

An authority gets a certificate signing request and returns a signed chain; private keys stay with
`dinv.pki.certificates`, which makes them. A plugin registers an Authority subclass as entry point in the
group `dinv.authorities`:

    [project.entry-points."dinv.authorities"]
    corporate = "corporate_pki.dinv:CorporateAuthority"

What differs between authorities is a method or attribute of the Authority; nothing outside an authority's
file compares its name.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod

from dinv import plugins
from dinv.declaration import from_record, to_record
from dinv.errors import InputError, PluginBroken, PluginNotFound
from dinv.pki.requests import CertificateRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from dinv.declaration import Option
    from dinv.pki.certificates import Pair
    from dinv.pki.requests import Fault, Role
    from dinv.progress import Progress
    from dinv.store.record import MachineConfig

GROUP = "dinv.authorities"
BUILT_IN = {
    "cfssl": "dinv.authorities.cfssl:CfsslAuthority",
    "exec": "dinv.authorities.exec:ExecAuthority",
    "local": "dinv.authorities.local:LocalAuthority",
    "shared": "dinv.authorities.shared:SharedAuthority",
    "step": "dinv.authorities.step.authority:StepAuthority",
    "vault": "dinv.authorities.vault.authority:VaultAuthority",
}
SEAM = plugins.Seam("authority", GROUP, BUILT_IN, "dinv.authorities:Authority")
IMPLIED = {"shared": "dinv.authorities.shared_options:OPTIONS"}
"""Authorities that are chosen by giving one of their options, and where these options are declared."""

__all__ = ["Authority", "CertificateRequest", "find", "known", "of_machine", "open_authority"]


class Authority(ABC):
    """Signs certificates for one machine.

    `machine` is the machine's name; `directory` its directory in the store, which need not exist yet;
    `options` the values given for the options that the class declares, by keyword. Nothing is read, written
    or connected to before a method is called. An option that the class does not declare is an InputError.

    Every method ends in bounded time, and raises CertificateError when it cannot do its work.
    """

    name: str
    ca_per_machine = False
    """Whether each machine has its own CA, in the directory: opened for an empty one, it makes another.

    Only then can `regenerate-certs --client-certs` lock earlier clients out.
    """
    makes_ca = False
    """Whether it makes CAs. They are to be valid for `ca_lifetime`."""
    ca_lifetime: int | None = None
    """For how many seconds a CA that it makes is to be valid; None leaves that to the authority."""
    strict = True
    """Whether its chains have to pass OpenSSL's strict mode, and so to end at a root."""
    issues: Sequence[str] = ("server", "client")
    """What a machine gets from it, in words for users."""

    def __init__(self, *, machine: str, directory: str, options: Mapping[str, Any]) -> None:
        defaults = {flag.key: flag.default for flag in self.create_flags()}
        unknown = sorted(set(options) - set(defaults))
        if unknown:
            raise InputError(f'The authority "{self.name}" has no option {", ".join(unknown)}')
        self.machine = machine
        self.directory = directory
        self.options = {**defaults, **options}

    @classmethod
    def create_flags(cls) -> Sequence[Option]:
        """The options this authority adds to `create`, such as the URL of a server. Values become text.

        One that is `secret` has no flag and is not recorded: its variable is read whenever it is needed.
        """
        return ()

    @abstractmethod
    def certificate(self, request: CertificateRequest) -> bytes:
        """Sign `request`; return the chain in PEM: the certificate, then its issuers up to the trust anchor.

        The anchor itself may be left out. The certificate must be for the requested key, for `role` and no
        other use, and for all of `names`, and be valid now; its `lifetime` is granted as far as the authority
        can. dinv checks all of that, and rejects the chain if it is not so; see `remedy`.
        """

    @abstractmethod
    def trust_anchor(self) -> bytes:
        """Return the CA certificates, PEM, that machine and users trust, up to a self-signed root.

        Everything but the certificates in it is dropped.
        """

    def check(self) -> None:  # noqa: B027  (nothing to check by default)
        """Check, before a create makes anything, that it can sign. Makes nothing."""

    def prepare(self, progress: Progress) -> None:  # noqa: B027  (nothing to make by default)
        """Make what is missing, once all checks of a create have passed; tell the user what that means."""

    def client_pair(self) -> Pair | None:
        """Return the user's own client certificate and key; None if dinv makes them for the machine."""
        return None

    def remedy(self, fault: Fault, role: Role) -> str:
        """Return what to change so that its certificates for `role` no longer have a fault that was found.

        It is one sentence or more, or "": 'Give the role "dinv" server_flag=false.' An error shows it after
        what is wrong.
        """
        return ""

    @property
    def ca_elsewhere(self) -> str:
        """Return where the CA is, to follow "the CA is"; "" if it is in the machine's directory."""
        return _kept_by(self.name)

    def record(self, config: MachineConfig) -> None:
        """Record this authority and its options, except secrets, in a machine's record."""
        config.authority = self.name
        config.authority_options = to_record(self.create_flags(), self.options)

    @classmethod
    def recorded_options(cls, config: MachineConfig) -> dict[str, Any]:
        """Return the options that `record` wrote into a machine's record, by keyword."""
        return config.authority_options

    @classmethod
    def after_import(cls, config: MachineConfig) -> str:
        """Return a warning about a machine's certificates that came from another computer, or ""."""
        signed = f'Its certificates are signed by the authority "{config.authority}"'
        if not config.imported_authority_options:
            return f"{signed}, which can renew them here where it can be reached"
        return (
            f"{signed}, and cannot be renewed here yet: where a token of yours goes is not for an archive to "
            f"say. Its options are in its config.json, as Dinv.AuthorityOptionsImported: look whether "
            f"you trust them, and rename that to AuthorityOptions"
        )


def open_authority(
    name: str, *, machine: str, directory: str, options: Mapping[str, Any] | None = None
) -> Authority:
    """Return the authority `name` for a machine whose directory in the store is `directory`.

    Raises PluginNotFound, PluginBroken, and InputError for options that it cannot use.
    """
    return find(name)(machine=machine, directory=directory, options=options or {})


def of_machine(
    config: MachineConfig, *, directory: str = "", secrets: Mapping[str, Any] | None = None
) -> Authority:
    """Return the authority in a machine's record, opened for the machine, or for another `directory`.

    `secrets` are values of options that are not recorded, perhaps along with other seams'; they override
    the variables. Raises InputError, and ConfigError for a record that names no authority.
    """
    found = find(config.authority)
    options = from_record(found.create_flags(), found.recorded_options(config), secrets or {}, os.environ)
    authority = found(machine=config.name, directory=directory or config.directory, options=options)
    authority.ca_lifetime = config.ca_lifetime
    return authority


def ca_elsewhere(config: MachineConfig) -> str:
    """Return where a machine's CA is, to follow "the CA is"; "" if it is in the machine's directory.

    Works for an authority whose package is not installed, too; "" for a machine of docker-machine's.
    """
    if not config.by_dinv:
        return ""
    try:
        return of_machine(config).ca_elsewhere
    except (InputError, PluginBroken):
        return _kept_by(config.authority)


def after_import(config: MachineConfig) -> str:
    """Return a warning about the certificates of a machine that came from another computer, or ""."""
    if not config.by_dinv:
        return ""
    try:
        return find(config.authority).after_import(config)
    except (PluginNotFound, PluginBroken) as error:
        return f"Its certificates cannot be renewed here: {error}"


def _kept_by(name: str) -> str:
    return f'kept by the authority "{name}"'


def find(name: str) -> type[Authority]:
    """Return the authority of this name. Entry points are read only if it is not built in.

    Raises PluginNotFound, PluginBroken.
    """
    authority: type[Authority] = SEAM.find(name)
    return authority


def known() -> list[str]:
    """Return the names of all authorities, built in or not, sorted. Scans the entry points."""
    return SEAM.known()

"""The "shared" authority: a CA of the user's own for several machines, and perhaps a client certificate.

They are what docker-machine's --tls-ca-cert and its like name. The CA signs the certificates of all machines
made with it, and these accept every client that it has signed for. Its private key stays where it is: a
machine's config.json has the path, in docker-machine's fields (HostOptions.AuthOptions), relative to the
store if it lies in the store.

Files that do not exist are created (`dinv.pki.key_pairs`), as docker-machine does. All certificates in the
CA's file are trust anchors; the first is the CA's own.
"""

from __future__ import annotations

import os

from cryptography.hazmat.primitives import serialization

from dinv.authorities import Authority
from dinv.authorities.shared_options import OPTIONS
from dinv.errors import CertificateError, OptionError
from dinv.pki import key_pairs, pem
from dinv.pki.certificates import (
    check_chain,
    check_pair,
    load_chain,
    load_key,
    new_key,
    request,
)
from dinv.pki.chain import unrooted
from dinv.pki.signing import fault, self_signed, sign
from dinv.system import home
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from cryptography import x509

    from dinv.declaration import Option
    from dinv.pki.certificates import Pair, PrivateKey
    from dinv.pki.requests import CertificateRequest, Role
    from dinv.progress import Progress
    from dinv.store.record import MachineConfig

_RECORDED = {
    "tls_ca_cert": "CaCertPath",
    "tls_ca_key": "CaPrivateKeyPath",
    "tls_client_cert": "ClientCertPath",
    "tls_client_key": "ClientKeyPath",
}
"""docker-machine's fields for the options (libmachine: auth.Options)."""


class SharedAuthority(Authority):
    """Signs with a CA in files that its options name; they may name the user's client pair as well."""

    name = "shared"
    makes_ca = True
    strict = False  # a CA of docker-machine's has no subject key identifier, and Docker's clients need none

    def __init__(self, *, machine: str, directory: str, options: Mapping[str, Any]) -> None:
        super().__init__(machine=machine, directory=directory, options=options)
        paths = [str(options.get(flag.key) or "") for flag in OPTIONS]
        paths = [home.absolute(path) if path else "" for path in paths]
        self.ca = paths[0], paths[1]
        """Certificate and key, absolute paths."""
        self.client = paths[2], paths[3]
        """The same for the user's pair, or "" twice."""
        self._loaded: tuple[list[x509.Certificate], PrivateKey] | None = None

    @classmethod
    def create_flags(cls) -> Sequence[Option]:
        return OPTIONS

    @property
    def issues(self) -> Sequence[str]:  # type: ignore[override]
        return ("server",) if self.client[0] else ("server", "client")

    @property
    def ca_elsewhere(self) -> str:
        return f"shared ({self.ca[0]})"

    # Signing

    def trust_anchor(self) -> bytes:
        chain, _ = self._load()
        return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in chain)

    def certificate(self, request: CertificateRequest) -> bytes:
        return sign(request, self._signer)

    def client_pair(self) -> Pair | None:
        """Return the user's pair from its own files or, if these are gone, from the machine's copies."""
        if not self.client[0]:
            return None
        paths = self.client
        if not all(os.path.exists(path) for path in paths):
            own = os.path.join(self.directory, "cert.pem"), os.path.join(self.directory, "key.pem")
            paths = own if all(os.path.exists(path) for path in own) else paths
        return key_pairs.read(*paths)

    def _signer(self) -> tuple[x509.Certificate, PrivateKey]:
        chain, key = self._load()
        return chain[0], key

    def _load(self) -> tuple[list[x509.Certificate], PrivateKey]:
        if self._loaded is None:
            certificate_path, key_path = self.ca
            chain = load_chain(self._read(certificate_path, "certificate"), certificate_path)
            key = load_key(self._read(key_path, "private key"), key_path)
            wrong = fault(chain[0], key, certificate_path, key_path)
            if wrong:
                raise self._unusable(wrong)
            lowest = unrooted(chain)
            if lowest is not None:
                raise self._unusable(
                    f'the issuer of "{lowest.subject.rfc4514_string()}" is missing. Put the certificates of '
                    f"the CAs above it into the file too, up to the root; whoever has a client certificate "
                    f"of these is let in then, too"
                )
            self._loaded = chain, key
        return self._loaded

    def _read(self, path: str, what: str) -> bytes:
        if not path:
            raise self._unusable(
                f"its {what} did not come along when the machine was imported. Renew the certificates where "
                f"the machine comes from; or write where the CA is into the machine's config.json, "
                f"HostOptions.AuthOptions.CaCertPath and CaPrivateKeyPath"
            )
        try:
            found = pem.read_if_there(path)
        except CertificateError as error:
            raise self._unusable(f"its {what} {error}") from error
        if found is None:
            raise self._unusable(
                f"its {what} {path} is not there any more. Put it back. What it has signed goes on working"
            )
        return found

    def _unusable(self, reason: str) -> CertificateError:
        return CertificateError(
            f"The CA {self.ca[0]}, which several machines share, cannot be used: {reason}."
        )

    # At a create

    def check(self) -> None:
        """Check that the existing files can be used; nothing is made.

        Raises InputError if one of a pair is not named; CertificateError if half of a pair exists, or a file
        is not a CA, or has expired, or the client's certificate is not the CA's, ...
        """
        self._check_options()
        has_ca = key_pairs.both_there(self.ca)
        has_client = bool(self.client[0]) and key_pairs.both_there(self.client)
        if has_client and not has_ca:
            raise CertificateError(
                f"{self.client[0]} is there, but not the CA that should have signed it: {self.ca[0]}. "
                f"Name the CA that it is from, or files that do not exist."
            )
        if has_ca:
            self._loaded = None  # another process may have made it since
            self._try()
        if has_client:
            check_pair(key_pairs.read(*self.client), anchor_pem=self.trust_anchor(), role="client")

    def _check_options(self) -> None:
        paths = dict(zip((flag.name for flag in OPTIONS), (*self.ca, *self.client), strict=True))
        names = list(paths)
        for one, other in (names[:2], names[2:]):
            if bool(paths[one]) != bool(paths[other]):
                there, missing = (one, other) if paths[one] else (other, one)
                raise OptionError(
                    "is given without " + option(missing) + ": a certificate and its key go together",
                    option=there,
                )
        if not self.ca[0] and not self.client[0]:
            needed = option("tls-ca-cert") + " and " + option("tls-ca-key")
            raise OptionError('is "shared", which needs ' + needed, option="authority")
        if not self.ca[0]:
            raise OptionError(
                "is given without "
                + option("tls-ca-cert")
                + " and "
                + option("tls-ca-key")
                + ": the machine would have a CA of its own, which has not signed that certificate, so its "
                "daemon would refuse it",
                option="tls-client-cert",
            )
        given = [path for path in paths.values() if path]
        if len(set(given)) < len(given):
            which = option("tls-ca-cert") + ", " + option("tls-ca-key")
            raise OptionError(which + " and their like name the same file twice")

    def prepare(self, progress: Progress) -> None:
        """Make the CA, and the client's pair, if they do not exist.

        Raises CertificateError, also for files that another process made meanwhile and that are unusable.
        """
        made = self.make_missing()
        for path in made:
            progress.line("Certificates", path, "made")
        if self.ca_lifetime and self.ca[0] not in made:
            progress.note(f"The CA {self.ca[0]} exists: it is valid for as long as it says")
        progress.note(f"Whoever has a client certificate of the CA {self.ca[0]} can reach {self.machine} too")

    def make_missing(self) -> list[str]:
        """Make the missing files; return the paths of the certificates made. Raises CertificateError."""
        made = []
        if key_pairs.make(self.ca, new_key, self._certify_ca):
            made.append(self.ca[0])
        if self.client[0] and key_pairs.make(self.client, new_key, self._certify_client):
            made.append(self.client[0])
        self.check()
        return made

    def _try(self) -> None:
        """Have the CA sign something for each role, to find out now what it may not do."""
        key = new_key()
        wanted: dict[Role, tuple[str, ...]] = {"server": ("localhost",), "client": ()}
        for role, names in wanted.items():
            chain = self.certificate(request(key, role=role, names=names, machine="new"))
            anchor = self.trust_anchor()
            check_chain(chain, key_pem=key, anchor_pem=anchor, role=role, names=names, strict=self.strict)

    def _certify_ca(self, key: bytes) -> bytes:
        name = f"dinv CA of {_user()}"
        certificate = self_signed(load_key(key, "the new key"), name, lifetime=self.ca_lifetime)
        return certificate.public_bytes(serialization.Encoding.PEM)

    def _certify_client(self, key: bytes) -> bytes:
        self._loaded = None  # just made, by whichever process
        return self.certificate(request(key, role="client", names=(), machine=_user()))

    # In a machine's record

    def record(self, config: MachineConfig) -> None:
        config.authority = self.name
        for key, path in zip(_RECORDED.values(), (*self.ca, *self.client), strict=True):
            if path:
                config.auth_options[key] = _stored(path, config.store_path)

    @classmethod
    def recorded_options(cls, config: MachineConfig) -> dict[str, Any]:
        options = {option: _path(config, key) for option, key in _RECORDED.items()}
        client = options["tls_client_cert"], options["tls_client_key"]
        own = tuple(os.path.join(config.directory, name) for name in ("cert.pem", "key.pem"))
        if client == own or not all(client):
            # dinv makes the machine's own files, and puts them here.
            options |= {"tls_client_cert": "", "tls_client_key": ""}
        return options

    @classmethod
    def after_import(cls, config: MachineConfig) -> str:  # the same for each
        return (
            "Its CA is one that several machines share, and its private key has not come along: the machine "
            "can be used, started and stopped, but its certificates are renewed where the CA is. If that is "
            "here too, write where into its config.json: HostOptions.AuthOptions.CaPrivateKeyPath"
        )


def _path(config: MachineConfig, key: str) -> str:
    path = config.auth_options.get(key)
    return os.path.normpath(os.path.join(config.store_path, path)) if isinstance(path, str) and path else ""


def _stored(path: str, store_path: str) -> str:
    """Return a path relative to the store if it lies in the store: a store may be moved."""
    inside = os.path.join(store_path, "")
    return path.removeprefix(inside)


def _user() -> str:
    """Return whom it is for, from the environment; docker-machine's certificates have that too."""
    return os.environ.get("USER") or os.environ.get("USERNAME") or "unknown"

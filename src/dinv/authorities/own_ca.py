"""A CA and a client certificate of the user's own, as docker-machine's --tls-ca-cert and its like name them.

The machines made with them share that CA: it signs their certificates, and they trust whomever it has signed
for. Its private key stays where it is. A machine's config.json says where, in docker-machine's fields
(HostOptions.AuthOptions), relative to the store for what lies in it, and its authority is "shared".

Files that do not exist are made (`dinv.pki.key_pairs`), as docker-machine makes them.
"""

from __future__ import annotations

import os

from dinv.errors import CertificateError, InputError
from dinv.pki import key_pairs
from dinv.system import home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from dinv.authorities import Authority, Role
    from dinv.pki.certificates import Pair
    from dinv.store.record import MachineConfig

AUTHORITY = "shared"
OPTIONS = ("tls_ca_cert", "tls_ca_key", "tls_client_cert", "tls_client_key")
"""Of a create: the paths of these files."""


class SharedCA:
    """The files that a create was given, by absolute paths; those of the client are "" when not given."""

    def __init__(self, ca: tuple[str, str], client: tuple[str, str]) -> None:
        self.ca = ca
        self.client = client

    @classmethod
    def given(cls, paths: Mapping[str, str]) -> SharedCA | None:
        """What the four options say; None without any. Raises InputError when one of a pair is missing.

        `paths` has them under OPTIONS; "" and absent are the same.
        """
        found = {f"--{option.replace('_', '-')}": paths.get(option) or "" for option in OPTIONS}
        if not any(found.values()):
            return None
        flags = list(found)
        for one, other in (flags[:2], flags[2:]):
            if bool(found[one]) != bool(found[other]):
                there, missing = (one, other) if found[one] else (other, one)
                raise InputError(f"{there} is given without {missing}: a certificate and its key go together")
        if not found["--tls-ca-cert"]:
            raise InputError(
                "--tls-client-cert is given without --tls-ca-cert and --tls-ca-key: the machine would have a "
                "CA of its own, which has not signed that certificate, so its daemon would refuse it"
            )
        absolute = [home.absolute(path) if path else "" for path in found.values()]
        if len({path for path in absolute if path}) < len([path for path in absolute if path]):
            raise InputError("--tls-ca-cert, --tls-ca-key and their like name the same file twice")
        return cls((absolute[0], absolute[1]), (absolute[2], absolute[3]))

    def check(self) -> None:
        """See that what is there can be used, as far as it is there; nothing is made.

        Raises CertificateError: half of a pair is there, or what is there is no CA, or has expired, or the
        client's certificate is not the CA's, ...
        """
        has_ca = key_pairs.both_there(self.ca, ("--tls-ca-cert", "--tls-ca-key"))
        has_client = bool(self.client[0]) and key_pairs.both_there(
            self.client, ("--tls-client-cert", "--tls-client-key")
        )
        if has_client and not has_ca:
            raise CertificateError(
                f"{self.client[0]} (--tls-client-cert) is there, but not the CA that should have signed it: "
                f"{self.ca[0]} (--tls-ca-cert). Name the CA that it is from, or files that do not exist."
            )
        if has_ca:
            self._try()
        if has_client:
            from dinv.pki.certificates import check_pair

            check_pair(
                key_pairs.read(*self.client), anchor_pem=self._authority().trust_anchor(), role="client"
            )

    def make_missing(self) -> list[str]:
        """Make the CA, and the client's pair, where there is none; returns the certificates made.

        Raises CertificateError, also for what another process has made meanwhile and cannot be used.
        """
        from dinv.pki.certificates import new_key

        made = []
        if key_pairs.make(self.ca, new_key, _certify_ca):
            made.append(self.ca[0])
        if self.client[0] and key_pairs.make(self.client, new_key, self._certify_client):
            made.append(self.client[0])
        self.check()
        return made

    def record(self, config: MachineConfig) -> None:
        """Write into a machine's config where these are."""
        config.ours["Authority"] = AUTHORITY
        paths = {"CaCertPath": self.ca[0], "CaPrivateKeyPath": self.ca[1]}
        if self.client[0]:
            paths |= {"ClientCertPath": self.client[0], "ClientKeyPath": self.client[1]}
        config.auth_options.update(
            {key: _stored(path, config.store_path) for key, path in paths.items()},
        )

    def _authority(self, name: str = "new") -> Authority:
        from dinv.authorities import open_authority

        options = {"ca-cert": self.ca[0], "ca-key": self.ca[1]}
        return open_authority(AUTHORITY, machine=name, directory="", options=options)

    def _try(self) -> None:
        """Have the CA sign something for each role: what it may not do is better known now."""
        from dinv.pki.certificates import check_chain, new_key, request

        authority, key = self._authority(), new_key()
        wanted: dict[Role, tuple[str, ...]] = {"server": ("localhost",), "client": ()}
        for role, names in wanted.items():
            chain = authority.certificate(request(key, role=role, names=names, machine="new"))
            check_chain(chain, key_pem=key, anchor_pem=authority.trust_anchor(), role=role, names=names)

    def _certify_client(self, key: bytes) -> bytes:
        from dinv.pki.certificates import request

        user = _user()
        return self._authority(user).certificate(request(key, role="client", names=(), machine=user))


def authority_options(config: MachineConfig) -> dict[str, str]:
    """The options of the authority of a machine that was made with a shared CA."""
    return {"ca-cert": _path(config, "CaCertPath"), "ca-key": _path(config, "CaPrivateKeyPath")}


def ca_path(config: MachineConfig) -> str:
    """Where the certificate of a machine's shared CA is; "" for a machine that has a CA of its own."""
    return _path(config, "CaCertPath") if config.ours.get("Authority") == AUTHORITY else ""


def client_pair(config: MachineConfig) -> Pair | None:
    """The user's own client pair, None when dinv makes the machine's.

    As it is where the user has it; where it is not there any more, as it was copied from there. Raises
    CertificateError when it is nowhere.
    """
    paths = _client_paths(config)
    if paths is None:
        return None
    if not all(os.path.exists(path) for path in paths):
        own = os.path.join(config.directory, "cert.pem"), os.path.join(config.directory, "key.pem")
        paths = own if all(os.path.exists(path) for path in own) else paths
    return key_pairs.read(*paths)


def _client_paths(config: MachineConfig) -> tuple[str, str] | None:
    """Where the user's own client certificate and key are; None when dinv makes the machine's."""
    if config.ours.get("Authority") != AUTHORITY:
        return None
    paths = _path(config, "ClientCertPath"), _path(config, "ClientKeyPath")
    own = tuple(os.path.join(config.directory, name) for name in ("cert.pem", "key.pem"))
    return None if paths == own or not all(paths) else paths


def _path(config: MachineConfig, key: str) -> str:
    path = config.auth_options.get(key)
    return os.path.normpath(os.path.join(config.store_path, path)) if isinstance(path, str) and path else ""


def _stored(path: str, store_path: str) -> str:
    """Relative to the store for what lies in it: a store may be moved."""
    inside = os.path.join(store_path, "")
    return path.removeprefix(inside)


def _certify_ca(key: bytes) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    from dinv.authorities.signing import self_signed
    from dinv.pki.certificates import load_key

    certificate = self_signed(load_key(key, "the new key"), f"dinv CA of {_user()}")
    return certificate.public_bytes(Encoding.PEM)


def _user() -> str:
    """Who it is for, as far as the environment says; docker-machine's certificates have that too."""
    return os.environ.get("USER") or os.environ.get("USERNAME") or "unknown"

"""Whether a role, and what it signs, is what dinv asked for; and what to change on the role if not.

A chain is checked in general by `dinv.pki.certificates.check_chain`. Here is what only Vault and OpenBao do,
with a 200: grant a role's own usages, cut a lifetime, take the common name from the CSR, sign with another
issuer than the default one.
"""

from __future__ import annotations

import datetime as dt

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import NameOID

from dinv.authorities.vault_refusals import role_of
from dinv.errors import CertificateError
from dinv.pki.chain import USAGES
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from dinv.pki.requests import CertificateRequest, Role

_SLACK = dt.timedelta(minutes=5)
"""A lifetime may differ by so much from what was asked for: clocks do, and it may be rounded."""
_OURS = ("use_csr_common_name", "use_csr_sans")
"""In warnings of values that are in the CSR and beside it: they are the same there, on purpose."""
_FLAGS = ("server_flag", "client_flag", "code_signing_flag", "email_protection_flag")
_KEY_TYPES = ("ec", "any")


def check_role(facts: Mapping[str, Any], role: Role, path: str) -> None:
    """Raise CertificateError for a role that cannot sign for `role`; `facts` are what it says of itself.

    `path` is that by which it signs: "pki/sign/web".
    """
    wanted = {f"{role}_flag"}
    granted = {flag for flag in _FLAGS if facts.get(flag, flag in wanted)}
    if granted != wanted:
        raise wrong_usages(path, role, sorted(flag.removesuffix("_flag") for flag in granted))
    if facts.get("key_type", "ec") not in _KEY_TYPES:
        raise CertificateError(
            f"For {role}s, {role_of(path)} wants keys of type {facts['key_type']}, and dinv's are ECDSA "
            f"P-256. Set key_type=ec and key_bits=256 on it."
        )
    if role == "server" and not facts.get("allow_ip_sans", True):
        raise CertificateError(
            f"Machines are reached at addresses, and {role_of(path)} allows none in certificates. Set "
            f"allow_ip_sans=true on it."
        )


def check_certificate(
    chain: Sequence[x509.Certificate],
    request: CertificateRequest,
    *,
    path: str,
    common_name: str,
    anchors: Sequence[x509.Certificate],
    warnings: object,
) -> None:
    """Raise CertificateError for a certificate that is not what was asked for, in what only Vault does.

    `warnings` are the server's, of which those that explain the difference are shown.
    """
    leaf = chain[0]
    usages = extended_usages(leaf)
    if usages != [USAGES[request.role]]:
        raise wrong_usages(path, request.role, [_usage_name(each) for each in usages])
    if not any(issued(each, anchor) for each in chain for anchor in anchors):
        raise CertificateError(
            f'The certificate by {role_of(path)} is signed by "{_text(chain[-1].issuer)}", which is not the '
            f"default issuer of its mount. If that is meant, let dinv see it: add to its policy "
            f'path "{path.replace("/sign/", "/roles/")}" {{ capabilities = ["read"] }}, or name the root by '
            + option("vault-anchor", "FILE")
            + ". If not, set issuer_ref=default on the role."
        )
    if request.role == "client" and name_in(leaf.subject) != common_name:
        raise CertificateError(
            f'The certificate by {role_of(path)} is made out to "{_text(leaf.subject)}", and not to '
            f'"{common_name}", whom it is for: the role takes the name from the signing request. Set '
            f"use_csr_common_name=false on it."
        )
    _check_lifetime(leaf, request, path, warnings)


def wrong_usages(path: str, role: Role, granted: Sequence[str]) -> CertificateError:
    """Return the error for a role that does not grant exactly the usage of its side."""
    other = "client" if role == "server" else "server"
    found = " and ".join(granted) or "no usage at all, which Go takes for any"
    return CertificateError(
        f"For {role}s, {role_of(path)} would not do: it grants {found}, where the one usage {role}Auth is "
        f"needed. Set {role}_flag=true {other}_flag=false on it, and no further usages; the other side needs "
        f"a role of its own."
    )


def _check_lifetime(leaf: x509.Certificate, request: CertificateRequest, path: str, warnings: object) -> None:
    if request.lifetime is None:
        return
    asked = dt.timedelta(seconds=request.lifetime)
    granted = leaf.not_valid_after_utc - dt.datetime.now(dt.UTC)
    said = [each for each in warnings if isinstance(each, str)] if isinstance(warnings, list) else []
    said = [each for each in said if not any(ours in each for ours in _OURS)]
    words = f" ({'; '.join(said)})" if said else ""
    differs = f"A lifetime of {asked} was asked for, and {role_of(path)} granted {_whole(granted)}{words}. "
    if granted < asked - _SLACK:
        less = "Raise max_ttl of the role and of its mount, or ask for less: " + option("cert-lifetime") + "."
        raise CertificateError(differs + less)
    if granted > asked + _SLACK:
        raise CertificateError(differs + "Take not_after off the role: it overrides what is asked.")


def extended_usages(certificate: x509.Certificate) -> list[x509.ObjectIdentifier]:
    """Return the extended key usages of a certificate; none where it has no such extension."""
    try:
        return list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return []


def issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `issuer` has signed `certificate`; a root has signed itself."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def name_in(subject: x509.Name) -> str:
    """Return the common name, "" if there is none."""
    found = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def pem_of(found: object) -> bytes:
    """Return what the API has as PEM: a text, or a list of these; b"" for anything else."""
    texts = found if isinstance(found, list) else [found]
    return "\n".join(each for each in texts if isinstance(each, str)).encode()


def _usage_name(usage: x509.ObjectIdentifier) -> str:
    names = {identifier: f"{role}Auth" for role, identifier in USAGES.items()}
    return names.get(usage, usage.dotted_string)


def _text(name: x509.Name) -> str:
    return name.rfc4514_string()


def _whole(duration: dt.timedelta) -> dt.timedelta:
    return dt.timedelta(seconds=round(duration.total_seconds()))

"""What a role of Vault's has to have, and what to change on it where it signed something else than asked.

`dinv.pki.certificates.certify` checks each chain; here is what to do about it. Vault answers 200 and grants a
role's own usages, cuts a lifetime, takes the common name from the CSR, signs with another issuer.
"""

from __future__ import annotations

from dinv.authorities.vault.refusals import role_of
from dinv.errors import CertificateError, ChainRefused
from dinv.pki.names import common_name
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from cryptography import x509

    from dinv.pki.requests import CertificateRequest, Fault, Role

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
        found = " and ".join(sorted(flag.removesuffix("_flag") for flag in granted)) or "no usage at all"
        raise CertificateError(
            f"For {role}s, {role_of(path)} would not do: it grants {found}, where {role} alone is needed. "
            + remedy("usage", role, path)
        )
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


def check_holder(leaf: x509.Certificate, request: CertificateRequest, path: str) -> None:
    """Raise ChainRefused for a certificate in the name of somebody else than it is for."""
    if request.holder and common_name(leaf.subject) != request.holder:
        reason = f'it is for "{leaf.subject.rfc4514_string()}", and not for "{request.holder}"'
        raise ChainRefused(request.role, "holder", reason, remedy("holder", request.role, path))


def remedy(fault: Fault, role: Role, path: str, warnings: object = None) -> str:
    """Return what to change so that what is signed by `path` no longer has a fault; "" for nothing known.

    `warnings` are those of the server's last answer, which may explain it.
    """
    other = "client" if role == "server" else "server"
    name, mount = role_of(path), path.partition("/sign/")[0]
    said = [each for each in warnings if isinstance(each, str)] if isinstance(warnings, list) else []
    said = [each for each in said if not any(ours in each for ours in _OURS)]
    words = f" Vault said: {'; '.join(said)}." if said else ""
    if fault == "usage":
        return (
            f"Set {role}_flag=true {other}_flag=false on {name}, and no further usages; the other side needs "
            f"a role of its own."
        )
    if fault == "lifetime":
        less = f"Raise max_ttl of {name} and of its mount, or ask for less, by " + option("cert-lifetime")
        return less + "." + words
    if fault == "holder":
        return f"Set use_csr_common_name=false on {name}: it takes the name from the signing request."
    if fault == "chain":
        rule = f'path "{path.replace("/sign/", "/roles/")}" {{ capabilities = ["read"] }}'
        return (
            f"Set issuer_ref=default on {name}. If another is meant, let dinv see that by "
            f"adding {rule} to its policy, or name the root by " + option("vault-anchor", "FILE") + "."
        )
    if fault == "root":
        return f"Import the root into {mount}, or name it by " + option("vault-anchor", "FILE") + "."
    return words.strip()


def pem_of(found: object) -> bytes:
    """Return what the API has as PEM: a text, or a list of these; b"" for anything else."""
    texts = found if isinstance(found, list) else [found]
    return "\n".join(each for each in texts if isinstance(each, str)).encode()

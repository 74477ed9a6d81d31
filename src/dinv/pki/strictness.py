"""What strict verifiers ask of a certificate, whatever it is used for.

These are OpenSSL's -x509_strict, which Python's own contexts have set since 3.13 (OpenSSL:
crypto/x509/x509_vfy.c, check_extensions), and Go's refusal of critical extensions that it does not know.
"""

from __future__ import annotations

from typing import TypeVar

from cryptography import x509

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)

_UNDERSTOOD = (
    x509.BasicConstraints,
    x509.KeyUsage,
    x509.ExtendedKeyUsage,
    x509.SubjectAlternativeName,
    x509.NameConstraints,
)
"""The critical extensions that all verifiers know."""


def extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    """Return an extension's value, None if the certificate has none of this kind."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def refusal(certificate: x509.Certificate, *, root: bool) -> str:
    """Return why strict verifiers refuse a certificate, to follow its name; "" if they do not."""
    wrong = next(_faults(certificate, root=root), "")
    return f"{wrong}; strict verifiers refuse it (RFC 5280, section 4.2)" if wrong else ""


def _faults(certificate: x509.Certificate, *, root: bool) -> Iterator[str]:
    constraints = extension(certificate, x509.BasicConstraints)
    key_usage = extension(certificate, x509.KeyUsage)
    critical = [each.value for each in certificate.extensions if each.critical]
    is_ca = constraints is not None and constraints.ca
    if certificate.version is not x509.Version.v3:
        yield "is not of X.509 version 3"
    if is_ca:
        if constraints not in critical:
            yield "has basic constraints that are not critical"
        if key_usage is None:
            yield "has no key usage, which a CA must have"
        if extension(certificate, x509.SubjectKeyIdentifier) is None:
            yield "has no subject key identifier, which a CA must have"
    elif key_usage is not None and key_usage.key_cert_sign:
        yield "is not a CA, and its key usage allows to sign certificates"
    identifier = extension(certificate, x509.AuthorityKeyIdentifier)
    if not root and (identifier is None or not identifier.key_identifier):
        yield "has no authority key identifier"
    yield from _faults_of_names(certificate, is_ca=is_ca, critical=critical)
    for each in critical:
        if not isinstance(each, _UNDERSTOOD):
            yield f"has an extension that must not be critical, or that clients do not know, {_oid(each)}"


def _oid(value: x509.ExtensionType) -> str:
    return value.oid.dotted_string


def _faults_of_names(
    certificate: x509.Certificate, *, is_ca: bool, critical: list[x509.ExtensionType]
) -> Iterator[str]:
    names = extension(certificate, x509.SubjectAlternativeName)
    if not certificate.issuer.rdns:
        yield "names no issuer"
    if not certificate.subject.rdns and (is_ca or names not in critical):
        yield "has an empty subject, and no critical subject alternative name"
    if names is not None and not list(names):
        yield "has an empty subject alternative name"

"""One-time tokens for step-ca: signed here with a provisioner's key, or made by somebody else.

A token is a JWT in a JWS (RFC 7515, 7519). step-ca finds the provisioner by `iss` and `kid`, and compares
`aud` with its own URLs, `sub` with the common name and `sans` with the alternative names of the request
(smallstep/certificates: authority/provisioner/jwk.go, collection.go, sign_options.go).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from dinv.errors import CertificateError
from dinv.formats import json_text
from dinv.pki.certificates import load_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from dinv.pki.certificates import PrivateKey

VALID_SECONDS = 300
"""As `step ca token` has it."""
_CURVES: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1()}
_EC_ALGORITHMS = {"P-256": ("ES256", hashes.SHA256), "P-384": ("ES384", hashes.SHA384)}
_NAMES = {"secp256r1": "P-256", "secp384r1": "P-384"}


class ProvisionerKey:
    """The private key of a JWK provisioner, and `kid`, by which step-ca knows it."""

    def __init__(self, content: bytes, path: str) -> None:
        """`content`: a private JWK (RFC 7517) or PEM, not encrypted. Raises CertificateError."""
        text = content.strip()
        if text.startswith(b"eyJ") and text.count(b".") == 4:
            raise _encrypted(path)  # a JWE in one line
        self._key, kid = _from_jwk(text, path) if text.startswith(b"{") else (load_key(content, path), "")
        if isinstance(self._key, ec.EllipticCurvePrivateKey) and self._key.curve.name not in _NAMES:
            raise CertificateError(f"The key in {path} is on the curve {self._key.curve.name}: use P-256.")
        self.kid = kid or _thumbprint(self._key)

    def token(self, claims: Mapping[str, Any]) -> str:
        """Return a token with these claims, good for one use within five minutes from now."""
        now = int(time.time())
        dates = {"iat": now, "nbf": now, "exp": now + VALID_SECONDS}
        header = {"alg": self._algorithm(), "kid": self.kid, "typ": "JWT"}
        signed = f"{_part(header)}.{_part({**claims, **dates, 'jti': secrets.token_hex(32)})}"
        return f"{signed}.{_text(self._sign(signed.encode()))}"

    def _algorithm(self) -> str:
        if isinstance(self._key, ec.EllipticCurvePrivateKey):
            return _EC_ALGORITHMS[_NAMES[self._key.curve.name]][0]
        return "RS256" if isinstance(self._key, rsa.RSAPrivateKey) else "EdDSA"

    def _sign(self, data: bytes) -> bytes:
        key = self._key
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key.sign(data)
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(_EC_ALGORITHMS[_NAMES[key.curve.name]][1]())))
        length = (key.key_size + 7) // 8
        return r.to_bytes(length, "big") + s.to_bytes(length, "big")  # RFC 7518, 3.4


def fitting(tokens: Sequence[str], subject: str, names: Sequence[str]) -> str:
    """Return the one of several given tokens that is for this common name and these names, or "".

    They are not verified: that is the server's affair.
    """
    for token in tokens:
        claims = _claims(token)
        found = claims.get("sans") or []
        # Where no names are given, `step ca token` puts in the subject.
        alike = set(map(str, found)) == set(names or [subject]) if isinstance(found, list) else False
        if claims.get("sub") == subject and (alike or not (found or names)):
            return token
    return ""


def _claims(token: str) -> dict[str, Any]:
    parts = token.split(".")
    try:
        found = json_text.parse(_bytes(parts[1])) if len(parts) == 3 else None
    except (ValueError, binascii.Error):
        found = None
    return found if isinstance(found, dict) else {}


def _from_jwk(text: bytes, path: str) -> tuple[PrivateKey, str]:
    try:
        found = json_text.parse(text)
        if isinstance(found, dict) and "ciphertext" in found:
            raise _encrypted(path)
        kid = str(found.get("kid") or "")
        if found["kty"] == "OKP" and found["crv"] == "Ed25519":
            return ed25519.Ed25519PrivateKey.from_private_bytes(_bytes(found["d"])), kid
        if found["kty"] == "EC":
            secret = int.from_bytes(_bytes(found["d"]), "big")
            return ec.derive_private_key(secret, _CURVES[found["crv"]]), kid
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        # Nothing of a key is shown, not even by accident.
        pass
    raise CertificateError(
        f"No private key can be read from {path}: it is neither PEM nor a private JWK of the kind EC or OKP."
    )


def _encrypted(path: str) -> CertificateError:
    return CertificateError(
        f"The key in {path} is encrypted, and dinv asks for no password. Give it a copy that is not "
        f"(`step crypto jwe decrypt <ENCRYPTED >PLAIN`), which only you can read."
    )


def _thumbprint(key: PrivateKey) -> str:
    """Return the key's identifier as `step crypto jwk create` makes it (RFC 7638)."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        public, length = key.public_key().public_numbers(), (key.key_size + 7) // 8
        facts = {
            "crv": _NAMES[key.curve.name],
            "kty": "EC",
            "x": _text(public.x.to_bytes(length, "big")),
            "y": _text(public.y.to_bytes(length, "big")),
        }
    elif isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        facts = {"e": _number(numbers.e), "kty": "RSA", "n": _number(numbers.n)}
    else:
        facts = {"crv": "Ed25519", "kty": "OKP", "x": _text(key.public_key().public_bytes_raw())}
    pairs = ",".join(f'"{name}":"{facts[name]}"' for name in sorted(facts))
    return _text(hashlib.sha256(f"{{{pairs}}}".encode()).digest())


def _part(facts: Mapping[str, Any]) -> str:
    return _text(json_text.text(dict(facts)).encode())


def _number(value: int) -> str:
    return _text(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

"""Keys as JSON Web Keys (RFC 7517, 7518, 7638, 8037), as the program `step` writes them."""

from __future__ import annotations

import base64
import hashlib
import json

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def public_jwk(key: Key) -> dict[str, str]:
    """Its public half (RFC 7517, 7518, 8037)."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        numbers, length = key.public_key().public_numbers(), key.key_size // 8
        x, y = (encoded(value.to_bytes(length, "big")) for value in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": f"P-{key.key_size}", "x": x, "y": y}
    if isinstance(key, rsa.RSAPrivateKey):
        public = key.public_key().public_numbers()
        e, n = (
            encoded(value.to_bytes((value.bit_length() + 7) // 8, "big")) for value in (public.e, public.n)
        )
        return {"kty": "RSA", "e": e, "n": n}
    return {"kty": "OKP", "crv": "Ed25519", "x": encoded(key.public_key().public_bytes_raw())}


def private_jwk(key: Key, **changes: str) -> str:
    """As `step crypto jwk create --no-password --insecure` writes it."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        secret = key.private_numbers().private_value.to_bytes(key.key_size // 8, "big")
    else:
        assert isinstance(key, ed25519.Ed25519PrivateKey)
        secret = key.private_bytes_raw()
    return json.dumps(
        {"use": "sig", "kid": thumbprint(key), **public_jwk(key), "d": encoded(secret), **changes}
    )


def thumbprint(key: Key) -> str:
    """RFC 7638."""
    text = json.dumps(public_jwk(key), sort_keys=True, separators=(",", ":"))
    return encoded(hashlib.sha256(text.encode()).digest())

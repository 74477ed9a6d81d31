"""Secrets that people and browsers are given: 256 random bits, of which only the SHA-256 is kept.

A secret of that size needs no slow hash and no salt; nobody can try them all.
"""

from __future__ import annotations

import hashlib
import secrets

TOKEN_PREFIX = "dinv_"  # noqa: S105  # what scanners of leaked secrets look for
_LONGEST = 256


def new_secret(prefix: str = "") -> str:
    """Return a new one, in the letters of URLs."""
    return prefix + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """Return what is kept of a secret; of something too long, what no secret has."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest() if len(secret) <= _LONGEST else ""

"""Join tokens: K10<sha256 of the CA's PEM>::<user>:<secret> (k3s-io/k3s: pkg/clientaccess/token.go)."""

from __future__ import annotations

import hashlib

from k3s_stand_in.program.logs import fatal

_PREFIX = "K10"


class Token:
    """A parsed token; `ca_hash` is "" for a bare secret, which pins nothing."""

    def __init__(self, ca_hash: str, user: str, secret: str) -> None:
        self.ca_hash = ca_hash
        self.user = user
        self.secret = secret


def written(ca: bytes, user: str, secret: str) -> str:
    return f"{_PREFIX}{hashlib.sha256(ca).hexdigest()}::{user}:{secret}"


def parsed(token: str) -> Token:
    """Return the parts of a token. Raises FatalError."""
    if not token:
        fatal("token must not be empty")
    if not token.startswith(_PREFIX):
        return Token("", "", token)
    ca_hash, colons, credentials = token[len(_PREFIX) :].partition("::")
    if not colons:
        fatal("invalid token format")
    if ca_hash and len(ca_hash) != 64:
        fatal("invalid token CA hash length")
    user, colon, secret = credentials.partition(":")
    if not colon or not secret:
        fatal("invalid token format")
    return Token(ca_hash, user, secret)


def check_ca(token: Token, ca: bytes) -> None:
    """Raise FatalError if the server's CA is not the one that the token was made with."""
    found = hashlib.sha256(ca).hexdigest()
    if token.ca_hash and token.ca_hash != found:
        fatal(f"token CA hash does not match the Cluster CA certificate hash: {token.ca_hash} != {found}")

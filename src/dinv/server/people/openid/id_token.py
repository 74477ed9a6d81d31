"""What an ID token must be to be believed (OpenID Connect Core, 3.1.3.7)."""

from __future__ import annotations

import time
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jws import JWSRegistry

from dinv.server.people.openid.provider import Provider
from dinv.server.problems import NotSignedIn

CLOCK_SKEW = 60
_OLDEST = 600
_LONGEST = 64 * 1024
_SIGNED_BY_KEY_PAIR = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
"""Never "none", and never HMAC: its key would be one that others know."""


def claims(provider: Provider, tokens: dict[str, Any], nonce: str) -> dict[str, Any]:
    """Return the claims of the ID token among `tokens`.

    Raises NotSignedIn for one that cannot be believed, and Unavailable.
    """
    text = tokens.get("id_token")
    if not isinstance(text, str) or len(text) > _LONGEST:
        raise _unbelievable(provider, "it has no ID token")
    metadata, settings = provider.metadata(), provider.settings
    said = metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
    allowed = [each for each in _SIGNED_BY_KEY_PAIR if each in said]
    if not allowed:
        # An empty list would mean the library's own default.
        raise _unbelievable(provider, "it has no signature that only the provider can make")
    registry = JWSRegistry(algorithms=allowed, strict_check_header=False)
    try:
        try:
            token = jwt.decode(text, provider.keys(), registry=registry)
        except (InvalidKeyIdError, ValueError):
            # Perhaps it has new keys.
            token = jwt.decode(text, provider.keys(anew=True), registry=registry)
        found = CodeIDToken(
            token.claims,
            token.header,
            {
                "iss": {"essential": True, "value": settings.issuer},
                "aud": {"essential": True, "value": settings.client_id},
                "sub": {"essential": True},
                "exp": {"essential": True},
                "iat": {"essential": True},
                "nonce": {"essential": True, "value": nonce},
            },
            {
                "nonce": nonce,
                "client_id": settings.client_id,
                "access_token": tokens.get("access_token"),
            },
        )
        found.validate(leeway=CLOCK_SKEW)
        recent = time.time() - float(found["iat"]) < _OLDEST + CLOCK_SKEW
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise _unbelievable(provider, type(error).__name__) from error
    if not recent:
        raise _unbelievable(provider, "it is old")
    subject = found["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise _unbelievable(provider, "its subject is not a text of up to 255 characters")
    return dict(found)


def _unbelievable(provider: Provider, why: str) -> NotSignedIn:
    return NotSignedIn(
        f"What the sign-in provider {provider.settings.name} said cannot be believed ({why}). "
        f"Sign in again; if it stays so, tell an operator."
    )

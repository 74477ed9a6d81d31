"""An OpenID Connect provider for tests: an HTTP server in a thread that knows one person, and lies on demand.

It is as strict as one has to be: a code is good once, for the client, the redirect URI and the PKCE verifier
that it was asked with (OpenID Connect Core 3.1.3.2, RFC 7636 4.6); the client shows its secret (RFC 6749,
2.3.1).
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import json
import secrets
import threading
import time
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, unquote_plus, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from joserfc.jwk import Key

LIES: dict[str, tuple[int, bytes, dict[str, str]]] = {
    "redirect": (302, b"{}", {"Location": "/elsewhere"}),
    "gzip": (200, gzip.compress(b" " * 10_000_000), {"Content_Encoding": "gzip"}),
    "huge": (200, b" " * 2_000_000, {}),
    "list": (200, b"[]", {}),
    "deep": (200, b'{"a":' + b"[" * 200_000, {}),
    "text": (200, b"<html>", {}),
    "500": (500, b"{}", {}),
}
"""What a path may answer instead; "silent" is nothing at all."""
CLIENT_ID = "dinv"
CLIENT_SECRET = "the client's secret: 100%"


@cache
def first_key() -> RSAKey:
    """The key that all providers begin with: one takes a while to make."""
    return RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})


@cache
def others_key() -> RSAKey:
    """Of somebody who calls it by the same name."""
    return RSAKey.generate_key(2048, {"kid": "one"})


class Provider:
    """`claims` are of the person who is there; the other attributes say how it lies."""

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {
            "sub": "24400320",
            "preferred_username": "Jane.Doe@example.com",
            "name": "Jane Doe",
            "email": "jane@example.com",
            "email_verified": True,
            "groups": ["red", "/blue"],
        }
        self.userinfo: dict[str, Any] | None = None
        self.metadata: dict[str, Any] = {}
        self.change: Callable[[dict[str, Any]], dict[str, Any]] = lambda claims: claims
        """Of the claims of the ID token, before it is signed."""
        self.token: Callable[[Provider, dict[str, Any]], str] = lambda self, claims: self.signed(claims)
        """Makes the ID token."""
        self.answer: Callable[[dict[str, Any]], object] = lambda answer: answer
        """Of the token endpoint."""
        self.misbehave: dict[str, str] = {}
        """By path, one of LIES or "silent"."""
        self.asked: list[str] = []
        self.released = threading.Event()
        self.key: Key = first_key()
        self.published: list[Key] = [self.key]
        self._codes: dict[str, dict[str, str]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.issuer = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def sign_in(self, url: str) -> dict[str, str]:
        """What a browser that is sent to `url` comes back with, once its person has agreed."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert url.startswith(f"{self.issuer}/authorize?")
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT_ID
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        return {"code": code, "state": query["state"]}

    def signed(self, claims: dict[str, Any], key: Key | None = None, **header: Any) -> str:
        """A token that this provider, or somebody with another key, has signed."""
        key = key or self.key
        algorithm = "ES256" if isinstance(key, ECKey) else "RS256"
        return jwt.encode({"alg": algorithm, "kid": key.kid, **header}, claims, key, algorithms=[algorithm])

    def rotate(self) -> None:
        """Sign with a new key, and publish only that."""
        self.key = ECKey.generate_key("P-256", {"kid": secrets.token_hex(4), "use": "sig", "alg": "ES256"})
        self.published = [self.key]

    def _document(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "id_token_signing_alg_values_supported": ["RS256", "ES256", "HS256", "none"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            **self.metadata,
        }

    def _exchange(self, form: dict[str, str], authorization: str) -> tuple[int, object]:
        scheme, _, pair = authorization.partition(" ")
        if scheme == "Basic":
            name, _, secret = base64.b64decode(pair).decode().partition(":")
            name, secret = unquote_plus(name), unquote_plus(secret)
        else:
            name, secret = form.get("client_id", ""), form.get("client_secret", "")
        if (name, secret) != (CLIENT_ID, CLIENT_SECRET):
            return 401, {"error": "invalid_client"}
        asked = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            asked is None
            or form.get("grant_type") != "authorization_code"
            or form.get("redirect_uri") != asked["redirect_uri"]
            or challenge != asked["code_challenge"]
        ):
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            **self.claims,
        }
        answer = {
            "access_token": "the access token",
            "token_type": "Bearer",
            "id_token": self.token(self, self.change(claims)),
        }
        return 200, self.answer(answer)

    def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:  # noqa: C901, N805
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                provider.asked.append(path)
                if path in provider.misbehave:
                    self.lie(provider.misbehave[path])
                elif path == "/.well-known/openid-configuration":
                    self.send(200, provider._document())
                elif path == "/keys":
                    self.send(200, KeySet(provider.published).as_dict(private=False))
                elif path == "/userinfo":
                    assert self.headers["Authorization"] == "Bearer the access token"
                    self.send(200, provider.claims if provider.userinfo is None else provider.userinfo)
                else:
                    self.send(404, {})

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                form = {
                    name: values[0] for name, values in parse_qs(self.rfile.read(length).decode()).items()
                }
                provider.asked.append(self.path)
                if self.path in provider.misbehave:
                    self.lie(provider.misbehave[self.path])
                else:
                    self.send(*provider._exchange(form, self.headers.get("Authorization", "")))

            def send(self, status: int, answer: object, **headers: str) -> None:
                content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def lie(self, how: str) -> None:
                if how == "silent":
                    provider.released.wait(30)
                else:
                    status, content, headers = LIES[how]
                    self.send(status, content, **headers)

            def handle(self) -> None:
                with contextlib.suppress(ConnectionError):  # the other side had enough
                    super().handle()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        return Handler

"""What the provider says over HTTP: its metadata, its keys, tokens for a code, claims.

It is not trusted further than it has to be: answers are bounded in size and time, redirects are not followed,
and what it says is only taken over TLS (or from this computer).
"""

from __future__ import annotations

import base64
import json
import logging
import ssl
import threading
import time
from typing import Any, NoReturn
from urllib.parse import quote_plus, urlsplit

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from dinv.server.problems import Problem, Unavailable
from dinv.server.settings import OpenIdProvider

LOG = logging.getLogger("dinv.server.people")
LARGEST = 512 * 1024
SECONDS = 10.0
_METADATA_SECONDS = 3600.0
_KEYS_SECONDS = 600.0
_KEYS_AT_MOST_EVERY = 30.0
_AFTER_FAILURE = 3.0


class Provider:
    """One provider. Threads may share one object; what it has said is kept for a while."""

    def __init__(self, settings: OpenIdProvider) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None
        self._metadata: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None
        self._failed: tuple[float, Unavailable] | None = None

    def metadata(self) -> dict[str, Any]:
        """Return what it says of itself (OpenID Connect Discovery). Raises Unavailable."""
        with self._lock:
            now = time.monotonic()
            if self._metadata is None or now > self._metadata[0] + _METADATA_SECONDS:
                issuer = self.settings.issuer
                found = self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
                if found.get("issuer") != issuer:
                    self._fail(f"says that it is another issuer than {issuer}")
                for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                    self._check_url(found.get(name), name)
                self._metadata = now, found
            return self._metadata[1]

    def keys(self, *, anew: bool = False) -> KeySet:
        """Return the keys that it signs with; with `anew` fetched again, but not all the time."""
        uri = self.metadata()["jwks_uri"]
        with self._lock:
            now = time.monotonic()
            age = now - self._keys[0] if self._keys else _KEYS_SECONDS
            if self._keys is None or age >= (_KEYS_AT_MOST_EVERY if anew else _KEYS_SECONDS):
                try:
                    keys = KeySet.import_key_set({"keys": self._get(uri).get("keys", [])})
                except (JoseError, ValueError, TypeError, KeyError, AttributeError):
                    self._fail("does not publish keys that can be read")
                self._keys = now, keys
            return self._keys[1]

    def tokens(self, code: str, verifier: str, redirect_uri: str) -> dict[str, Any] | None:
        """Exchange a code for tokens; None where it refuses the code. Raises Unavailable."""
        metadata = self.metadata()
        data = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
            "client_id": self.settings.client_id,
        }
        headers = {}
        # The default where it does not say (OpenID Connect Discovery, 3).
        methods = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if self.settings.client_secret and "client_secret_basic" in methods:
            pair = f"{quote_plus(self.settings.client_id)}:{quote_plus(self.settings.client_secret)}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        elif self.settings.client_secret:
            data["client_secret"] = self.settings.client_secret
        status, found = self._ask("POST", metadata["token_endpoint"], data=data, headers=headers)
        if status in (400, 401) and isinstance(found.get("error"), str):
            if found["error"] == "invalid_client":
                self._fail("does not accept this server's client_id and secret")
            return None
        if status != 200:
            self._fail(f"answered the exchange of a code with {status}")
        return found

    def claims(self, access_token: str) -> dict[str, Any]:
        """Return what it says of a person beside the ID token, {} where it says nothing there."""
        uri = self.metadata().get("userinfo_endpoint")
        if not uri or not access_token:
            return {}
        self._check_url(uri, "userinfo_endpoint")
        return self._get(uri, headers={"Authorization": f"Bearer {access_token}"})

    def _get(self, url: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
        status, found = self._ask("GET", url, headers=headers or {})
        if status != 200:
            self._fail(f"answered {urlsplit(url).path} with {status}")
        return found

    def _ask(self, method: str, url: str, **more: Any) -> tuple[int, dict[str, Any]]:
        if self._failed and time.monotonic() < self._failed[0] + _AFTER_FAILURE:
            # Those who wait for one that is silent do not wait one after the other.
            raise self._failed[1]
        deadline = time.monotonic() + SECONDS
        content = b""
        more["headers"] = {**more["headers"], "Accept": "application/json", "Accept-Encoding": "identity"}
        try:
            with self._http().stream(method, url, **more) as response:
                if response.headers.get("content-encoding", "identity") != "identity":
                    self._fail("sends packed answers, which were not asked for")
                for chunk in response.iter_raw(65536):
                    content += chunk
                    if len(content) > LARGEST:
                        self._fail(f"sent more than {LARGEST} bytes")
                    if time.monotonic() > deadline:
                        self._fail(f"did not finish an answer within {SECONDS:.0f} seconds")
        except httpx.TimeoutException:
            self._fail(f"did not answer within {SECONDS / 2:.0f} seconds", is_down=True)
        except (httpx.HTTPError, ssl.SSLError, OSError) as error:
            self._fail(f"cannot be reached ({type(error).__name__})", is_down=True)
        try:
            found = json.loads(content) if response.status_code in (200, 400, 401) else {}
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            self._fail("sent an answer that is not a JSON object")
        return response.status_code, found

    def _http(self) -> httpx.Client:
        if self._client is None:
            self._check_url(self.settings.issuer, "issuer")
            try:
                context = ssl.create_default_context(cafile=self.settings.ca_file or None)
            except OSError as error:
                raise Problem(
                    f"{self.settings.ca_file} cannot be read: {error.strerror or error}."
                ) from error
            self._client = httpx.Client(
                verify=context,
                timeout=SECONDS / 2,
                follow_redirects=False,
                limits=httpx.Limits(max_connections=10, max_keepalive_connections=2),
            )
        return self._client

    def _check_url(self, url: object, what: str) -> None:
        parts = urlsplit(url) if isinstance(url, str) and len(url) < 2000 else None
        local = parts is not None and parts.hostname in ("127.0.0.1", "::1", "localhost")
        if parts is None or not parts.hostname or parts.scheme not in ("https", "http" if local else "https"):
            self._fail(f"has no https address as its {what}")

    def _fail(self, what: str, *, is_down: bool = False) -> NoReturn:
        # Whoever wants to sign in cannot mend it, and most often tells nobody.
        LOG.warning("the sign-in provider %s %s", self.settings.name, what)
        problem = Unavailable(
            f"The sign-in provider {self.settings.name} {what}. Try again; if it stays so, tell an operator.",
            retry_after=10,
        )
        if is_down:
            self._failed = time.monotonic(), problem
        raise problem

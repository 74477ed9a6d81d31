"""Calls of a server's API by another node of the cluster, or by `k3s kubectl`."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from typing import Any
from urllib.parse import urlsplit

from k3s_stand_in.program.logs import FatalError


class Refused(Exception):
    """An answer that is not 2xx. `status` is its number."""

    def __init__(self, url: str, status: int, reason: str, body: bytes) -> None:
        super().__init__(f"{url}: {status} {reason}")
        self.status = status
        self.body = body


class Server:
    """One server, by its URL. `ca` is its CA in PEM; `identity` the files of a certificate and its key."""

    def __init__(self, url: str, *, ca: bytes = b"", identity: tuple[str, str] | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https":
            raise FatalError(f"only https:// URLs are supported, invalid scheme: {url}")
        self.url = url.rstrip("/")
        self._ca, self._identity = ca, identity
        self._host, self._port = parts.hostname or "", parts.port or 443
        self._context = ssl.create_default_context(cadata=ca.decode()) if ca else _unverified()
        # What an authority key identifier has to look like has changed: k3s's are as they were.
        self._context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if identity:
            self._context.load_cert_chain(*identity)

    def at(self, url: str) -> Server:
        """Return another server of the same cluster, reached with the same identity."""
        return Server(url, ca=self._ca, identity=self._identity)

    def call(
        self,
        path: str,
        *,
        method: str = "GET",
        body: Any = None,
        basic: tuple[str, str] | None = None,
        headers: dict[str, str] | None = None,
        timeout: float = 10,
    ) -> bytes:
        """Return the body of an answer. Raises Refused, OSError, http.client.HTTPException."""
        sent = dict(headers or {})
        if basic:
            sent["Authorization"] = "Basic " + base64.b64encode(":".join(basic).encode()).decode()
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection = http.client.HTTPSConnection(
            self._host, self._port, timeout=timeout, context=self._context
        )
        try:
            connection.request(method, path, body=content, headers=sent)
            answer = connection.getresponse()
            read = answer.read()
        finally:
            connection.close()
        if not 200 <= answer.status < 300:
            raise Refused(self.url + path, answer.status, answer.reason, read)
        return read


def _unverified() -> ssl.SSLContext:
    """Return a context for the first fetch of a CA, which the token's hash then proves."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context

"""JSON over HTTPS, for authorities that are servers.

Built on the client of the Engine API (`dinv.engine.wire`) and not on http.client, whose time limit is one for
each read: a server that sends a byte a second would never be given up. Here the whole of a call, the look-up
of the name and the TLS handshake included, has one deadline. TLS is 1.2 at least and always verified. Plain
`http` is accepted on loopback only: elsewhere a token would be readable on the way.

Redirects are not followed: a request carries a token, which is meant for one server. Proxies in the
environment (HTTPS_PROXY) are not used: an authority belongs to one's own network, and a proxy that opens TLS
would see the token.
"""

from __future__ import annotations

from dinv.engine.wire.http import Connection, Request
from dinv.engine.wire.tcp_transport import TCPTransport
from dinv.engine.wire.tls_files import TLSFiles
from dinv.errors import (
    AuthorityError,
    AuthorityRefused,
    AuthorityUnreachable,
    DeadlineExceeded,
    EndpointTLSError,
    EndpointUnreachable,
    OptionError,
    ProtocolError,
)
from dinv.formats import json_text, server_url
from dinv.formats.host_port import bracketed
from dinv.formats.visible import one_line
from dinv.system.deadline import Deadline
from dinv.timeouts import AUTHORITY_SECONDS
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

LARGEST_ANSWER = 1024 * 1024
MOST_WORDS = 500
"""So many letters of what a server says go into a message."""
_REDIRECTS = (301, 302, 303, 307, 308)
_FEWEST_HIDDEN = 4
"""Shorter texts are not replaced in messages: that would garble them, and they protect nothing."""


class Answer:
    """What a server answered: `status`, and `body` of at most LARGEST_ANSWER bytes."""

    def __init__(self, server: Server, status: int, body: bytes) -> None:
        self.server = server
        self.status = status
        self.body = body

    @property
    def ok(self) -> bool:
        """Return whether the status is 2xx."""
        return 200 <= self.status < 300

    def json(self) -> dict[str, Any]:
        """Return the body, a JSON object. Raises AuthorityError for anything else.

        With a status that is not 2xx that is an AuthorityRefused: a proxy's error page, for example.
        """
        try:
            found = json_text.parse(self.body)
        except ValueError:
            found = None
        if isinstance(found, dict):
            return found
        said = self.server.quoted(self.body.decode("utf-8", "replace").strip())
        if not self.ok:
            raise self.refused(said)
        raise self.server.unusable(f"not JSON: {said}" if said else "an empty answer")

    def refused(self, why: str = "", advice: str = "") -> AuthorityRefused:
        """Return the error that it did not do what was asked; `why` are its own words, from `quoted`."""
        reason = f"answered with HTTP status {self.status}" + (f": {why}" if why else "")
        return AuthorityRefused(
            self.server.authority, self.server.address, reason, advice, status=self.status
        )


class Server:
    """One server of an authority. Every call is a connection of its own.

    `authority` is the name for messages; `url` that of the server, with a path if it is behind a proxy, and
    `url_option` the option that it comes from. `ca` is a file with the CAs that the server's certificate may
    be from, "" for the system's, and `ca_option` its option; `cert` and `key` are files of a client
    certificate, "" for none. `timeout` is for each call, in seconds. `ca_text` is such a CA itself, PEM.

    With `verify` off the server is not verified: for what is public, and is verified by a hash.

    Nothing is read or connected to before the first call. Raises OptionError for a URL that cannot be used.
    """

    def __init__(
        self,
        authority: str,
        url: str,
        *,
        url_option: str,
        ca: str = "",
        ca_option: str = "",
        cert: str = "",
        key: str = "",
        ca_text: str = "",
        verify: bool = True,
        timeout: float = AUTHORITY_SECONDS,
    ) -> None:
        self.authority = authority
        self.timeout = timeout
        self._url_option = url_option
        self._ca_option = ca_option
        scheme, host, port, self._base = _parsed(url, url_option)
        self._secure = scheme == "https"
        self._host = bracketed(host) + ("" if port == server_url.PORTS[scheme] else f":{port}")
        self.address = f"{scheme}://{self._host}{self._base}"
        files = TLSFiles(ca or None, cert or None, key or None, verify=verify, ca_text=ca_text)
        tls = files if self._secure else None
        self._transport = TCPTransport(host, port, tls)
        self._hidden: list[str] = []

    def hide(self, secret: str) -> None:
        """Keep a text, such as a token, out of all messages, should the server repeat it."""
        if len(secret) >= _FEWEST_HIDDEN:
            self._hidden.append(secret)

    def quoted(self, text: str) -> str:
        """Return words of the server as they may be shown: without secrets, on one line, bounded."""
        for secret in self._hidden:
            text = text.replace(secret, "***")
        text = one_line(" ".join(text.split()))
        return text if len(text) <= MOST_WORDS else text[:MOST_WORDS] + "..."

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        """GET `path`, below the URL and percent-encoded. Raises as `post` does."""
        return self._call(Request("GET", f"{self._base}/{path}", {**(headers or {}), "Connection": "close"}))

    def post(self, path: str, body: Mapping[str, Any], *, headers: Mapping[str, str] | None = None) -> Answer:
        """POST a JSON object to `path`, below the URL and percent-encoded; return the answer of any status.

        Raises AuthorityUnreachable; AuthorityRefused for a redirect; AuthorityError for an answer that is
        not HTTP, or too long.
        """
        sent = {**(headers or {}), "Content-Type": "application/json", "Connection": "close"}
        return self._call(Request("POST", f"{self._base}/{path}", sent, json_text.text(dict(body)).encode()))

    def unusable(self, what: str) -> AuthorityError:
        """Return the error that it answered something else than it should: `what`."""
        return AuthorityError(
            self.authority,
            self.address,
            f"gave an answer that cannot be used: {what}",
            "Is it the server that " + option(self._url_option) + " should name?",
        )

    def _call(self, request: Request) -> Answer:
        deadline = Deadline(self.timeout)
        try:
            connection = Connection(self._transport.connect(deadline), self._host)
            with connection.exchange(request, deadline=deadline, release=Connection.close) as response:
                if response.status in _REDIRECTS:
                    raise self._redirected(response.status, response.headers.get("location", ""))
                body = response.read(LARGEST_ANSWER + 1)
        except DeadlineExceeded as error:
            raise self._late() from error
        except EndpointTLSError as error:
            raise self._untrusted(error) from error
        except EndpointUnreachable as error:
            if deadline.expired:
                raise self._late() from error
            raise self._unreachable(error) from error
        except ProtocolError as error:
            raise self.unusable(self.quoted(str(error).rpartition("cannot be used: ")[2])) from error
        if len(body) > LARGEST_ANSWER:
            raise self.unusable(f"more than {LARGEST_ANSWER} bytes")
        return Answer(self, response.status, body)

    def _late(self) -> AuthorityUnreachable:
        return AuthorityUnreachable(
            self.authority,
            self.address,
            f"gave no answer within {self.timeout:g} s",
            "See whether it is up, and try again.",
        )

    def _unreachable(self, error: EndpointUnreachable) -> AuthorityUnreachable:
        refused = isinstance(error.__cause__, ConnectionRefusedError)
        why = "nothing listens there (connection refused)" if refused else error.reason
        advice = "See whether it is up; its address is given by " + option(self._url_option) + "."
        return AuthorityUnreachable(self.authority, self.address, f"cannot be reached: {why}", advice)

    def _untrusted(self, error: EndpointTLSError) -> AuthorityUnreachable:
        advice = ""
        if "signed by another CA" in error.reason or "self-signed" in error.reason:
            advice = "Name the CA of that server by " + option(self._ca_option, "FILE") + "."
        reason = f"cannot be used by TLS: {error.reason}"
        return AuthorityUnreachable(self.authority, self.address, reason, advice)

    def _redirected(self, status: int, location: str) -> AuthorityRefused:
        # Only where to: a path or a query may hold a token.
        scheme, separator, rest = location.partition("://")
        where = f"{scheme}://{rest.partition('/')[0].rpartition('@')[2]}" if separator else "another path"
        return AuthorityRefused(
            self.authority,
            self.address,
            f"sends us elsewhere, to {self.quoted(where)} (HTTP status {status}), which dinv does not follow",
            "If that is the right one, name it by " + option(self._url_option) + ".",
            status=status,
        )


def _parsed(url: str, name: str) -> tuple[str, str, int, str]:
    """Return a URL's scheme, host, port and path. Raises OptionError."""
    try:
        return server_url.parse(url)
    except ValueError as error:
        raise OptionError(str(error), option=name, value=None if "@" in url else url) from error

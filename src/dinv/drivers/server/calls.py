"""Calls of a dinv server's API: JSON over HTTPS, with a token, each with one deadline.

Redirects are not followed, since a call carries a token that is meant for one server. Plain http is for this
computer only. What the server says in an error is shown on one line, bounded.
"""

from __future__ import annotations

from dinv.engine.wire.http import Connection, Request
from dinv.engine.wire.tcp_transport import TCPTransport
from dinv.engine.wire.tls_files import TLSFiles
from dinv.errors import (
    DeadlineExceeded,
    EndpointTLSError,
    EndpointUnreachable,
    NotLoggedIn,
    OptionError,
    ProtocolError,
    ServerRefused,
    ServerUnreachable,
)
from dinv.formats import json_text, server_url
from dinv.formats.host_port import bracketed
from dinv.formats.visible import one_line
from dinv.system.deadline import Deadline, IdleDeadline
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from dinv.engine.wire.http import Response
    from dinv.store.login import Login

SECONDS = 30.0
IDLE_SECONDS = 60.0
LARGEST = 8 * 1024 * 1024
MOST_WORDS = 800
NO_ROUTE = "no-route"
"""The server's word for an address that it does not know, as an older one does not know a newer one's."""


def parsed(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of a server's URL; without a scheme it is https. Raises OptionError."""
    given = url if "://" in url else f"https://{url}"
    try:
        scheme, host, port, path = server_url.parse(given)
    except ValueError as error:
        # One with a user's name in it may have a password, too.
        named = "What was given" if "@" in url else f'"{url}"'
        raise OptionError(f"{named} {error}, as https://dinv.example.com is") from error
    if path:
        raise OptionError(f'"{url}" is not the URL of a dinv server: it has a path')
    return scheme, host, port


def canonical(url: str) -> str:
    """Return a server's URL as it is recorded: scheme, host, and the port if it is not the usual one."""
    scheme, host, port = parsed(url)
    return f"{scheme}://{bracketed(host.lower())}" + ("" if port == server_url.PORTS[scheme] else f":{port}")


class Calls:
    """The API of one server. One connection is kept for calls that follow one another."""

    def __init__(self, url: str, *, token: str = "", ca: str = "", verify: bool = True) -> None:
        """`ca` is PEM, "" for the system's CAs. Nothing is connected to yet. Raises OptionError."""
        scheme, host, port = parsed(url)
        self.url = canonical(url)
        self._token = token
        self._own_ca = bool(ca)
        self._host = bracketed(host) + ("" if port == server_url.PORTS[scheme] else f":{port}")
        tls = TLSFiles(verify=verify, ca_text=ca) if scheme == "https" else None
        self._transport = TCPTransport(host, port, tls)
        self._kept: Connection | None = None

    @classmethod
    def of(cls, login: Login) -> Calls:
        """Those of somebody who is logged in."""
        return cls(login.url, token=login.token, ca=login.ca)

    def close(self) -> None:
        """Close the connection. May be called again."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = SECONDS,
    ) -> tuple[int, Any]:
        """Return the status, a success, and the JSON of the answer, None if it has none.

        `path` is below /api/v1/, percent-encoded. Raises ServerUnreachable, ServerRefused, NotLoggedIn.
        """
        deadline = Deadline(timeout)
        with self._exchange(self._request(method, path, body, headers), deadline) as response:
            data = response.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise ServerUnreachable(self.url, f"gave an answer of more than {LARGEST} bytes")
        value = self._value(response.status, data)
        if not 200 <= response.status < 300:
            raise self._refused(response.status, value)
        return response.status, value

    def text(self, path: str, *, largest: int, timeout: float = SECONDS) -> str:
        """Return an answer that is text, of a path from the top. Raises as `call` does."""
        deadline = Deadline(timeout)
        with self._exchange(Request("GET", path, {}), deadline) as response:
            data = response.read(largest)
        if not 200 <= response.status < 300:
            raise self._refused(response.status, None)
        return data.decode("utf-8", "replace")

    def stream(
        self, path: str, *, until: Deadline | None = None, timeout: float = SECONDS
    ) -> Iterator[bytes]:
        """Yield the body of an answer as it comes; `timeout` is for its beginning. Raises as `call` does.

        `until` is for the rest, and raises DeadlineExceeded; without it the server may be silent for a
        minute.
        """
        deadline = Deadline(timeout)
        with self._exchange(self._request("GET", path, None, None), deadline) as response:
            if not 200 <= response.status < 300:
                raise self._refused(response.status, self._value(response.status, response.read(LARGEST)))
            response.deadline = until or IdleDeadline(IDLE_SECONDS)
            try:
                while piece := response.read_some():
                    yield piece
            except (DeadlineExceeded, EndpointUnreachable, ProtocolError) as error:
                if until is not None and isinstance(error, DeadlineExceeded):
                    raise
                raise ServerUnreachable(self.url, f"did not send all of its answer: {error}") from error

    def _request(
        self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str] | None
    ) -> Request:
        sent = {"Accept": "application/json", **(headers or {})}
        if self._token:
            sent["Authorization"] = f"Bearer {self._token}"
        data = None
        if body is not None:
            sent["Content-Type"] = "application/json"
            data = json_text.text(dict(body)).encode()
        return Request(method, f"/api/v1/{path}", sent, data)

    def _exchange(self, request: Request, deadline: Deadline) -> Response:
        kept, self._kept = self._kept, None
        if kept is not None and kept.stale():
            kept.close()
            kept = None
        sent = False
        try:
            connection = kept or Connection(self._transport.connect(deadline), self._host)
            sent = True
            return connection.exchange(request, deadline=deadline, release=self._keep)
        except DeadlineExceeded as error:
            raise ServerUnreachable(
                self.url,
                f"gave no answer within {deadline.seconds:g} s",
                "See whether it is up, and try again.",
                sent=sent,
                passes=True,
            ) from error
        except EndpointTLSError as error:
            raise ServerUnreachable(
                self.url, f"cannot be used by TLS: {error.reason}", self._about_ca, sent=sent
            ) from error
        except EndpointUnreachable as error:
            refused = isinstance(error.__cause__, ConnectionRefusedError)
            why = "nothing listens there (connection refused)" if refused else error.reason
            raise ServerUnreachable(
                self.url,
                f"cannot be reached: {why}",
                "See whether it is up, and try again."
                + (" docker reaches machines that you have without it." if self._token else ""),
                sent=sent,
                passes=True,
            ) from error
        except ProtocolError as error:
            said = one_line(str(error).rpartition("cannot be used: ")[2])[:MOST_WORDS]
            raise ServerUnreachable(
                self.url, f"gave an answer that cannot be used: {said}", "Is it a dinv server?"
            ) from error

    @property
    def _about_ca(self) -> str:
        """What to do about a server's certificate that is not as it should be."""
        if not self._own_ca:
            return ""
        return (
            "If it has a new CA, log in again, and compare the fingerprint with what its operators tell: "
            + command("login", self.url)
        )

    def _keep(self, connection: Connection) -> None:
        self._kept = connection

    def _value(self, status: int, data: bytes) -> Any:
        if not data:
            return None
        try:
            return json_text.parse(data)
        except ValueError as error:
            raise ServerUnreachable(
                self.url,
                f"gave an answer that is not JSON (HTTP status {status})",
                "Is it a dinv server, or does a proxy answer in its place?",
                passes=status in (502, 503, 504),
            ) from error

    def _refused(self, status: int, value: Any) -> ServerRefused | NotLoggedIn:
        problem = value if isinstance(value, dict) else {}
        said = str(problem.get("detail") or problem.get("title") or f"HTTP status {status}")
        errors = problem.get("errors")
        more = []
        for each in errors if isinstance(errors, list) else ():
            detail = str(each.get("detail") or "") if isinstance(each, dict) else ""
            if detail and detail not in said:
                where = str(each.get("pointer") or "").strip("/").replace("/", ".")
                more.append(f"{where}: {detail}" if where else detail)
        if more:
            said = f"{said.rstrip('.')} ({'; '.join(more)})"
        said = one_line(" ".join(said.split()))[:MOST_WORDS]
        if self._token:
            said = said.replace(self._token, "***")
        kind = str(problem.get("type") or "").rpartition("/")[2].rpartition(":")[2]
        if kind == NO_ROUTE or status == 405:
            said = "it does not know what was asked of it. Perhaps it is older than this dinv"
        if status == 401:
            return NotLoggedIn(self.url, said[:1].lower() + said[1:].rstrip("."))  # it continues a sentence
        return ServerRefused(self.url, status, kind, said)


def not_understood(url: str, why: str) -> ServerUnreachable:
    """Return the error for an answer that is not what the API promises; `why` is a clause."""
    advice = "Perhaps its version and that of this dinv are too far apart."
    return ServerUnreachable(url, f"gave an answer that is not understood: {why}", advice)


def text(found: Mapping[str, Any], field: str, url: str) -> str:
    """Return a text of an answer, never an empty one. Raises ServerUnreachable."""
    value = found.get(field)
    if not isinstance(value, str) or not value:
        raise not_understood(url, f'it has no "{field}"')
    return value


def number(found: Mapping[str, Any], field: str, url: str) -> int:
    """Return a whole number of an answer. Raises ServerUnreachable."""
    value = found.get(field)
    if not isinstance(value, int):
        raise not_understood(url, f'it has no number "{field}"')
    return value

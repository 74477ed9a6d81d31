"""The API of UCP, as far as dinv asks it: health, login, the client bundle, nodes.

The calls are those of launchpad (Mirantis/launchpad: pkg/mke/mke.go, pkg/product/mke/phase/
validate_mke_health.go): a login gives a token, which is the Bearer of the others. Each call is a connection
of its own with one deadline, its answer is bounded, and the server is verified by UCP's own CA.
"""

from __future__ import annotations

from dinv.engine.wire.http import Connection, Request
from dinv.errors import (
    BundleUnusable,
    DatacenterUnreached,
    DeadlineExceeded,
    EndpointError,
    EndpointTLSError,
    LoginRefused,
    ProtocolError,
)
from dinv.formats import json_text
from dinv.formats.host_port import join
from dinv.formats.visible import one_line
from dinv.system.deadline import Deadline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Protocol

    from dinv.engine.wire.byte_stream import ByteStream

    class Port(Protocol):
        """Where UCP listens: `dinv.provisioners.datacenter.port_in_machine`."""

        host: str
        port: int
        names: tuple[str, ...]
        address: str

        def connect(self, name: str, deadline: Deadline) -> ByteStream:
            """Connect, and verify that the certificate is for `name`."""


CALL_SECONDS = 30.0
BUNDLE_SECONDS = 60.0
"""launchpad's own limit: UCP makes a key and a certificate first."""
LARGEST_ANSWER = 1024 * 1024
LARGEST_BUNDLE = 4 * 1024 * 1024
_MOST_WORDS = 300
_OK = 200
_REFUSED = (400, 401, 403)


class UCP:
    """One UCP, at a port. `machine` is the name of the machine it is on, for messages.

    `host` is the address, HOST:PORT, that UCP is to be called by; by default that of the port.
    """

    def __init__(self, machine: str, port: Port, host: str = "") -> None:
        self.machine = machine
        self._host = host or join(port.host, port.port)
        self.address = port.address
        self._port = port
        self._token = ""

    def ping(self, *, timeout: float = CALL_SECONDS) -> str:
        """Return why it is not healthy; "" if it is. `timeout` in seconds."""
        try:
            status, body = self._call("GET", "/_ping", timeout=timeout)
        except DatacenterUnreached as error:
            return error.reason
        return "" if status == _OK else f"HTTP status {status}: {_said(body)}".removesuffix(": ")

    def login(self, user: str, password: str) -> None:
        """Log in; the other calls need that. Raises LoginRefused, DatacenterUnreached."""
        body = {"username": user, "password": password}
        status, answer = self._call("POST", "/auth/login", body=body)
        if status in _REFUSED:
            raise LoginRefused(self.machine, user, _said(answer, password) or f"HTTP status {status}")
        token = self._object(status, answer, "/auth/login").get("auth_token")
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
            raise self._unreached("its answer to /auth/login has no token")
        self._token = token

    def bundle(self) -> bytes:
        """Return a new client bundle, a ZIP archive. Raises BundleUnusable, DatacenterUnreached."""
        status, answer = self._call(
            "GET", "/api/clientbundle", timeout=BUNDLE_SECONDS, largest=LARGEST_BUNDLE
        )
        if status != _OK:
            raise BundleUnusable(self.machine, f"UCP answered with HTTP status {status}: {_said(answer)}")
        return answer

    def nodes(self) -> list[dict[str, Any]]:
        """Return the nodes that UCP knows: objects of the Engine API. Raises DatacenterUnreached."""
        status, answer = self._call("GET", "/nodes")
        try:
            found = json_text.parse(answer) if status == _OK else None
        except ValueError:
            found = None
        if not isinstance(found, list) or not all(isinstance(node, dict) for node in found):
            raise self._unreached(f"its answer to /nodes cannot be used (HTTP status {status})")
        return found

    def _object(self, status: int, answer: bytes, path: str) -> dict[str, Any]:
        try:
            found = json_text.parse(answer) if status == _OK else None
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise self._unreached(f"its answer to {path} cannot be used (HTTP status {status})")
        return found

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        timeout: float = CALL_SECONDS,
        largest: int = LARGEST_ANSWER,
    ) -> tuple[int, bytes]:
        headers = {"Connection": "close"}
        sent = None
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
            sent = json_text.text(dict(body)).encode()
        request = Request(method, path, headers, sent)
        deadline = Deadline(timeout)
        try:
            connection = Connection(self._connect(deadline), self._host)
            with connection.exchange(request, deadline=deadline, release=Connection.close) as response:
                answer = response.read(largest + 1)
        except DeadlineExceeded as error:
            raise self._unreached(f"no answer to {path} within {timeout:g} s") from error
        except EndpointError as error:
            raise self._unreached(str(getattr(error, "reason", "") or error)) from error
        except ProtocolError as error:
            raise self._unreached(one_line(str(error))[:_MOST_WORDS]) from error
        if len(answer) > largest:
            raise self._unreached(f"its answer to {path} has more than {largest} bytes")
        return response.status, answer

    def _connect(self, deadline: Deadline) -> ByteStream:
        """Connect under the first of its names that its certificate is for."""
        *others, last = self._port.names
        for name in others:
            try:
                return self._port.connect(name, deadline)
            except EndpointTLSError:
                continue
        return self._port.connect(last, deadline)

    def _unreached(self, reason: str) -> DatacenterUnreached:
        return DatacenterUnreached(self.machine, self.address, reason)


def _said(answer: bytes, secret: str = "") -> str:
    """Return what an error's body says, on one line.

    That is {"errors": [{"message": ...}]}, {"message": ...}, or plain text.
    """
    text = answer[: 16 * _MOST_WORDS].decode("utf-8", "replace").strip()
    try:
        found = json_text.parse(text)
    except ValueError:
        found = None
    if isinstance(found, dict):
        errors = found.get("errors")
        first = errors[0] if isinstance(errors, list) and errors else found
        if isinstance(first, dict) and isinstance(first.get("message"), str):
            text = first["message"]
    if secret:
        text = text.replace(secret, "***")
    return one_line(" ".join(text.split()))[:_MOST_WORDS]

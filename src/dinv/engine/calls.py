"""Calls to one endpoint in a version that both sides know: connections, requests, answers, errors."""

from __future__ import annotations

from time import monotonic, sleep

from dinv.engine import shapes
from dinv.engine.wire.http import Connection, Request
from dinv.engine.wire.http_syntax import quote
from dinv.errors import (
    BadRequest,
    Conflict,
    EndpointError,
    EndpointTLSError,
    EndpointTooOld,
    EndpointUnreachable,
    EngineError,
    NotFound,
    ProtocolError,
    ServerError,
    Unauthorized,
)
from dinv.formats import json_text
from dinv.system.deadline import Deadline
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Self

    from dinv.engine.shapes import Shape
    from dinv.engine.wire.hijack import HijackedStream
    from dinv.engine.wire.http import Readable, Response
    from dinv.engine.wire.transport import Transport

    QueryValue = str | int | bool | Mapping[str, Any] | list[str] | None

MIN_API_VERSION = "1.24"
MAX_API_VERSION = "1.47"

ANSWER_SECONDS = 10.0
"""Seconds that whoever is interrupted waits for the answer to a call that makes something."""
PATIENCE_SECONDS = 60.0
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 3.0

_ERRORS: dict[int, type[EngineError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Unauthorized,
    404: NotFound,
    409: Conflict,
}
_BAD_REQUEST = 400
_SERVER_ERROR = 500
_REDIRECT = range(300, 400)
_NOT_MODIFIED = 304
_LONGEST_MESSAGE = 65536
LARGEST_ANSWER = 64 * 1024 * 1024
"""Bytes of an answer that is read as a whole. A thousand containers take some two million."""
_IDEMPOTENT = ("GET", "HEAD", "PUT", "DELETE")
# Values of these are never traced: build arguments and image changes are used for secrets.
_MASKED = ("buildargs", "changes")
_PLAIN_HTTP_REFUSED = "HTTP request to an HTTPS server"  # Go's net/http, in each dockerd with TLS
_HOST_REFUSED = "invalid host header"  # vmware/vic: backends/middleware/middleware.go
_CLIENT_TOO_OLD = "is too old. Minimum supported API version is "  # moby: api/server/middleware/version.go


class Ping:
    """The answer to `GET /_ping`: `api_version`, None if it is not reported."""

    __slots__ = ("api_version",)

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.api_version = headers.get("api-version") or None


class Calls:
    """Makes calls to one Docker Engine API endpoint. `dinv.engine.client.Engine` documents its use."""

    def __init__(
        self,
        transport: Transport,
        *,
        timeout: float = 10.0,
        trace: Callable[[str], None] | None = None,
        max_api_version: str = MAX_API_VERSION,
    ) -> None:
        self.transport = transport
        self.timeout = timeout
        self._trace = trace
        self._max_api_version = max_api_version
        self._api_version: str | None = None
        self.origin = ""
        """A remark on where the endpoint was named, added to the error that it cannot be reached."""
        self.transient: Callable[[EngineError], bool] | None = None
        """Whether the call that failed with an error may succeed a little later; then it is repeated.

        With growing pauses, for PATIENCE_SECONDS at most, and not if its body can be read only once.
        """
        self.unanswered: list[str] = []
        """Paths of calls that make something and were not answered: the endpoint may still be making it."""
        # Lists for their atomic append, remove and pop: threads may share an engine.
        self._idle: list[Connection] = []
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def address(self) -> str:
        """The endpoint's address, for messages."""
        return self.transport.address

    @property
    def api_version(self) -> str:
        """The API version of calls: the newest that both sides know. Asks the endpoint once."""
        return self._api_version or self._negotiate(Deadline(self.timeout))

    def at_least(self, version: str) -> bool:
        """Return whether calls are made in this API version or a newer one."""
        return _number(self.api_version) >= _number(version)

    def ping(self, timeout: float | Deadline | None = None) -> Ping:
        """`GET /_ping`: whether the daemon serves, and its newest API version."""
        with self.request("GET", "/_ping", versioned=False, timeout=timeout) as response:
            response.read()
            ping = Ping(response.headers)
        if ping.api_version:
            self._settle(ping.api_version)
        return ping

    def version(self, timeout: float | Deadline | None = None) -> dict[str, Any]:
        """`GET /version`, which every API version answers alike."""
        found: dict[str, Any] = self.json(
            "GET", "/version", versioned=False, shape=shapes.VERSION, timeout=timeout
        )
        return found

    def json(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, QueryValue] | None = None,
        body: object = None,
        shape: Shape = object,
        versioned: bool = True,
        timeout: float | Deadline | None = None,
    ) -> Any:
        """Make a call with JSON both ways; the answer must have the `shape` (`dinv.engine.shapes`), if any.

        An empty answer, or null, becomes an empty object or list. Raises ProtocolError.
        """
        data = self.call(method, path, query=query, body=body, versioned=versioned, timeout=timeout)
        try:
            found = json_text.parse(data) if data.strip() else None
        except ValueError as exc:
            deep = "too deep" in str(exc)
            why = f"cannot be used: it is {exc}" if deep else f"is not JSON: {data[:80]!r}"
            raise self._unusable(method, path, why) from exc
        if found is None:
            found = [] if isinstance(shape, list) else {}
        if reason := shapes.fault(found, shape):
            raise self._unusable(method, path, f"cannot be used: {reason}")
        return found

    def make(
        self,
        path: str,
        body: object,
        *,
        query: Mapping[str, QueryValue] | None = None,
        shape: Shape = object,
        timeout: float | Deadline | None = None,
    ) -> Any:
        """POST to have something made, as `json` does.

        An endpoint makes it for a client that is gone, too. So whoever is interrupted (Ctrl-C, SIGTERM) waits
        for the answer, ANSWER_SECONDS at most, and then finds all that is to be removed. If none has come by
        then, or the connection was lost, `unanswered` has the call.
        """
        import threading

        from dinv.background import Background

        made: list[Any] = []

        def call() -> None:
            try:
                made.append(self.json("POST", path, query=query, body=body, shape=shape, timeout=timeout))
            except EngineError:  # an answer as well
                self.unanswered.remove(path)
                raise
            self.unanswered.remove(path)

        self.unanswered.append(path)
        if threading.current_thread() is not threading.main_thread():
            call()  # nobody interrupts other threads
            return made[0]
        work = Background(call, path)
        try:
            work.result()
        finally:
            work.done(ANSWER_SECONDS)
        return made[0]

    def _unusable(self, method: str, path: str, why: str) -> ProtocolError:
        return ProtocolError(
            f"The answer to {method} {path} on {self.address} {why}", method=method, path=path
        )

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, QueryValue] | None = None,
        body: object = None,
        versioned: bool = True,
        timeout: float | Deadline | None = None,
    ) -> bytes:
        """Make a call, with `body` as JSON unless it is None; return the bytes of the answer."""
        headers = {} if body is None else {"Content-Type": "application/json"}
        data = None if body is None else json_text.text(body).encode()
        with self.request(
            method, path, query=query, body=data, headers=headers, versioned=versioned, timeout=timeout
        ) as response:
            data = response.read(LARGEST_ANSWER + 1)
            if len(data) > LARGEST_ANSWER:
                raise response.error(f"it has more than {LARGEST_ANSWER} bytes")
            return data

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, QueryValue] | None = None,
        body: bytes | Readable | None = None,
        headers: Mapping[str, str] | None = None,
        versioned: bool = True,
        timeout: float | Deadline | None = None,
        body_timeout: float | Deadline | None = None,
    ) -> Response:
        """Make a call; return the answer with its body unread, for the caller to close.

        `path` is without a version and percent-encoded. In `query`, None is left out, booleans are 1 and 0,
        mappings become JSON, lists are repeated. `body_timeout` is for reading the body, if that need not
        happen within `timeout`. An answer of 400 or more is raised as an EngineError of its kind.
        """
        pause, patience = FIRST_PAUSE, Deadline(PATIENCE_SECONDS)
        while True:
            try:
                return self._request(method, path, query, body, headers, versioned, timeout, body_timeout)
            except EngineError as error:
                if _HOST_REFUSED in error.message:
                    # A VCH without TLS: it accepts its address, and names that its address resolves to.
                    self._name_by_address(error)
                    continue
                over = patience.expired or (isinstance(timeout, Deadline) and timeout.expired)
                repeatable = body is None or isinstance(body, bytes)
                if over or not repeatable or self.transient is None or not self.transient(error):
                    raise
            sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 2)

    def hijack(
        self,
        path: str,
        *,
        tty: bool,
        query: Mapping[str, QueryValue] | None = None,
        body: object = None,
        timeout: float | Deadline | None = None,
    ) -> HijackedStream:
        """POST, and take over the connection. `timeout` ends with the answer's headers."""
        from dinv.engine.wire.hijack import HijackedStream

        headers = {"Connection": "Upgrade", "Upgrade": "tcp"}
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json_text.text(body).encode()
        response = self.request("POST", path, query=query, body=data, headers=headers, timeout=timeout)
        # 101; old engines say 200 and go on just the same.
        stream, early = response.hijack()
        return HijackedStream(stream, early, tty=tty, what=f"POST {path} on {self.address}")

    def _name_by_address(self, error: EngineError) -> None:
        """Go on under the endpoint's IP address. Raises EndpointError if that is refused as well."""
        if not self.transport.name_by_address():
            raise EndpointError(
                f"The Docker endpoint {self.address} does not answer to this name or address "
                f"({error.message}). Without TLS a VCH goes by its own public address only: name it by that."
            ) from error
        # Open connections use the name.
        while self._idle:
            self._idle.pop().close()

    def _request(  # noqa: PLR0917  (request, once)
        self,
        method: str,
        path: str,
        query: Mapping[str, QueryValue] | None,
        body: bytes | Readable | None,
        headers: Mapping[str, str] | None,
        versioned: bool,  # noqa: FBT001
        timeout: float | Deadline | None,
        body_timeout: float | Deadline | None,
    ) -> Response:
        deadline = Deadline.of(timeout, self.timeout)
        version = f"/v{self._api_version or self._negotiate(deadline)}" if versioned else ""
        target = self.transport.base_path + version + path
        arguments = _pairs(query or {})
        request = Request(method, target + _query(arguments), headers or {}, body)
        started = monotonic()
        try:
            response = self._exchange(request, deadline)
        except BaseException as exc:
            self._note(method, target, arguments, type(exc).__name__, started)
            if self.origin and isinstance(exc, EndpointError):
                exc.add_note(self.origin)
            raise
        self._note(method, target, arguments, str(response.status), started)
        if response.status >= _BAD_REQUEST or (
            response.status in _REDIRECT and response.status != _NOT_MODIFIED
        ):
            with response:
                raise self._error(response)
        if body_timeout is not None:
            response.deadline = Deadline.of(body_timeout, self.timeout)
        return response

    def close(self) -> None:
        """Close the idle connection. Answers that are still being read stay open."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _exchange(self, request: Request, deadline: Deadline) -> Response:
        connection = self._idle_connection() or self._new_connection(deadline)
        while True:
            reused = connection.reused
            try:
                return connection.exchange(request, deadline=deadline, release=self._release)
            except EndpointUnreachable as error:
                # The endpoint closes idle connections when it likes, even while a request is on its
                # way to it. A request that it cannot have acted on, or may act on twice, is sent again.
                if reused:
                    again = (request.method in _IDEMPOTENT and request.whole) or connection.sent == 0
                else:
                    again = request.whole and self.transport.another_way(error)
                if not again:
                    raise
            connection = self._new_connection(deadline)

    def _idle_connection(self) -> Connection | None:
        """Return a connection that an earlier call has left, and that still works."""
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            if not connection.stale():
                return connection
            connection.close()
        return None

    def _new_connection(self, deadline: Deadline) -> Connection:
        return Connection(self.transport.connect(deadline), self.transport.http_host)

    def _release(self, connection: Connection) -> None:
        if self._closed or self._idle:
            connection.close()
        else:
            self._idle.append(connection)

    def _negotiate(self, deadline: Deadline) -> str:
        ping = self.ping(deadline)
        if ping.api_version is None:
            # Servers from before API 1.25 or so do not say it in /_ping.
            found = self.version(deadline).get("ApiVersion")
            if not isinstance(found, str):
                raise ProtocolError(
                    f"{self.address} does not tell its API version", method="GET", path="/version"
                )
            self._settle(found)
        assert self._api_version is not None  # noqa: S101 - _settle has set it or raised
        return self._api_version

    def _settle(self, newest: str) -> None:
        """Choose the version for an endpoint whose newest is `newest`."""
        try:
            number = _number(newest)
        except ValueError:
            raise ProtocolError(
                f'{self.address} has "{newest[:40]}" for an API version', method="GET", path="/_ping"
            ) from None
        if number < _number(MIN_API_VERSION):
            raise EndpointTooOld(self.address, newest, MIN_API_VERSION)
        self._api_version = min(newest, self._max_api_version, key=_number)

    def _error(self, response: Response) -> EndpointError | EngineError:
        """Return the error for an answer of 400 or more."""
        data = response.read(_LONGEST_MESSAGE)
        message = _message(data) or response.reason or f"status {response.status}"
        if response.status == _BAD_REQUEST:
            if _PLAIN_HTTP_REFUSED in message:
                return EndpointTLSError(self.address, "it speaks TLS only, and was spoken to without")
            if _CLIENT_TOO_OLD in message:
                oldest = message.partition(_CLIENT_TOO_OLD)[2].partition(",")[0]
                return EndpointError(
                    f"The Docker endpoint {self.address} speaks API {oldest} and newer; this dinv speaks "
                    f"{self._max_api_version} and older. "
                    "Upgrade dinv, or name another endpoint with " + option("endpoint") + "."
                )
        if response.status in _REDIRECT:
            return response.error(f"it sends us elsewhere, to {response.headers.get('location', 'nowhere')}")
        kind = ServerError if response.status >= _SERVER_ERROR else _ERRORS.get(response.status, EngineError)
        return kind(message, status=response.status, method=response.method, path=response.path)

    def _note(
        self, method: str, target: str, arguments: list[tuple[str, str]], outcome: str, started: float
    ) -> None:
        if self._trace is not None:
            shown = _query([(name, "..." if name in _MASKED else value) for name, value in arguments])
            self._trace(f"{method} {target}{shown} {outcome} {(monotonic() - started) * 1000:.1f} ms")


def newest_api_version(asked: str) -> str:
    """Return the newest API version to use: `asked`, which is $DOCKER_API_VERSION, if dinv supports it."""
    asked = asked.strip().removeprefix("v")
    major, dot, minor = asked.partition(".")
    if not (dot and major.isdecimal() and minor.isdecimal()) or _number(asked) < _number(MIN_API_VERSION):
        return MAX_API_VERSION
    return min(asked, MAX_API_VERSION, key=_number)


def _number(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    return int(major), int(minor or 0)


def _pairs(query: Mapping[str, QueryValue]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, value in query.items():
        if isinstance(value, list):
            pairs += [(name, item) for item in value]
        elif isinstance(value, bool | int):
            pairs.append((name, str(int(value))))
        elif isinstance(value, str):
            pairs.append((name, value))
        elif value is not None:
            pairs.append((name, json_text.text(value)))
    return pairs


def _query(pairs: list[tuple[str, str]]) -> str:
    text = "&".join(f"{name}={quote(value, keep='/:,')}" for name, value in pairs)
    return f"?{text}" if text else ""


def _message(data: bytes) -> str:
    """Return the text of an error body: `{"message": ...}` since API 1.24, plain text before."""
    text = data.decode(errors="replace").strip()
    try:
        found = json_text.parse(text)
    except ValueError:
        return text
    if isinstance(found, dict):
        message = found.get("message") or found.get("cause")
        return message.strip() if message and isinstance(message, str) else text
    return text

"""The HTTPS server: /ping and /cacerts for everybody, /v1-k3s for those who join, the rest by certificate.

k3s-io/k3s: pkg/server/handlers/router.go has the paths and who may call them, pkg/server/auth/auth.go what
is answered to others: 401 for a wrong password, 403 for none. The API server behind them runs with
anonymous-auth=false (pkg/daemons/control/server.go): 401, for /readyz and /version as well.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import http.client
import json
import socket
import socketserver
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from k3s_stand_in.program import answers, certificates, client, logs, membership, objects

if TYPE_CHECKING:
    from collections.abc import Callable

    from k3s_stand_in.program.certificates import Authority
    from k3s_stand_in.program.cluster import Cluster

MASTERS = "system:masters"
NODES = "system:nodes"
_AGENT, _SERVER = "k3s:agent", "k3s:server"
_NODE_ROLES = (_AGENT, NODES, _SERVER)
_LARGEST = 1 << 20


class Caller:
    """Who calls: a certificate's common name and organizations, or the user of a token."""

    def __init__(self, name: str, groups: tuple[str, ...]) -> None:
        self.name = name
        self.groups = groups


class Failure(Exception):
    """An answer other than 200."""

    def __init__(self, code: int, reason: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.body = answers.status(code, reason, message, **details)


class Listener(ThreadingHTTPServer):
    """The socket. TLS is spoken by the thread of each connection, so that a silent client holds up nobody."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, address: str, port: int, cluster: Cluster, context: ssl.SSLContext) -> None:
        self.cluster = cluster
        self.context = context
        super().__init__((address, port), Handler)

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(10)
        try:
            secured = self.context.wrap_socket(request, server_side=True)
        except (OSError, ValueError) as error:
            logs.info(f"http: TLS handshake error from {client_address[0]}:{client_address[1]}: {error}")
            return
        secured.settimeout(120)
        try:
            super().finish_request(secured, client_address)
        except (OSError, ValueError):
            pass
        finally:
            secured.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        logs.error("http: panic serving")
        super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Listener
    connection: ssl.SSLSocket

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing: k3s has no access log."""

    def version_string(self) -> str:
        return "k3s"

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (BrokenPipeError, ConnectionError, TimeoutError, ssl.SSLError):
            self.close_connection = True

    def do_GET(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PATCH(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        self.query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        if length > _LARGEST:
            self.close_connection = True
            self._answer(413, answers.status(413, "RequestEntityTooLarge", "limit is 3145728"))
            return
        self.body = self.rfile.read(length)
        try:
            self._route(parts.path)
        except Failure as failure:
            self._answer(failure.code, failure.body)
        except client.Refused as refused:
            self._write(refused.status, refused.body, "application/json")
        except (ValueError, KeyError, TypeError):
            self._answer(400, answers.status(400, "BadRequest", "the object provided is unrecognized"))

    def _route(self, path: str) -> None:
        cluster = self.server.cluster
        if path == "/ping":
            self._write(200, b"pong", "text/plain")
        elif path == "/cacerts":
            self._write(200, cluster.server_ca.pem, "text/plain")
        elif path.startswith("/v1-k3s/"):
            self._supervise(path.removeprefix("/v1-k3s/"))
        else:
            self._api(path, self._by_certificate())

    # Who calls

    def _by_certificate(self) -> Caller | None:
        found = self.connection.getpeercert()
        if not found:
            return None
        subject: Any = found.get("subject", ())
        pairs = [pair for part in subject for pair in part]
        name = next((value for key, value in pairs if key == "commonName"), "")
        return Caller(name, tuple(value for key, value in pairs if key == "organizationName"))

    def _by_token(self) -> Caller | None:
        scheme, _, encoded = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            user, _, secret = base64.b64decode(encoded).decode().partition(":")
        except (binascii.Error, ValueError):
            user = secret = ""
        if not secret or self.server.cluster.users.get(user) != secret:
            raise Failure(401, "Unauthorized", "not authorized")
        return Caller(user, (_SERVER,) if user == "server" else (_AGENT,))

    def _needs(self, *groups: str) -> Caller:
        caller = self._by_token() or self._by_certificate()
        if caller is None or not set(groups) & set(caller.groups):
            raise Failure(403, "Forbidden", "forbidden")
        return caller

    # Those who join

    def _supervise(self, what: str) -> None:
        routes: dict[str, tuple[Callable[[], None], tuple[str, ...]]] = {
            "config": (self._config, _NODE_ROLES),
            "readyz": (self._supervisor_ready, _NODE_ROLES),
            "apiservers": (self._api_servers, _NODE_ROLES),
            "client-ca.crt": (lambda: self._authority(self.server.cluster.client_ca), _NODE_ROLES),
            "server-ca.crt": (lambda: self._authority(self.server.cluster.server_ca), _NODE_ROLES),
            "client-kubelet.crt": (self._kubelet_certificate, _NODE_ROLES),
            "server-bootstrap": (self._bootstrap, (_SERVER,)),
            "stand-in-join": (self._join, (_SERVER,)),
            "stand-in-state": (self._state, (MASTERS,)),
        }
        if what not in routes:
            raise Failure(404, "NotFound", "not found")
        answer, groups = routes[what]
        self._needs(*groups)
        answer()

    def _config(self) -> None:
        self._answer(200, {"ClusterDomain": self.server.cluster.options["cluster-domain"]})

    def _supervisor_ready(self) -> None:
        if not self.server.cluster.ready:
            raise Failure(503, "ServiceUnavailable", "runtime core not ready")
        self._write(200, b"ok", "text/plain")

    def _api_servers(self) -> None:
        self._answer(200, [url.removeprefix("https://") for url in self.server.cluster.servers()])

    def _authority(self, authority: Authority) -> None:
        self._write(200, authority.pem, "text/plain")

    def _bootstrap(self) -> None:
        if not self.server.cluster.etcd:
            logs.warning("Received HTTP bootstrap request, but embedded etcd is not enabled.")
            raise Failure(400, "BadRequest", "etcd disabled")
        self._answer(200, self.server.cluster.bootstrap())

    def _join(self) -> None:
        """Make a server a member of etcd that learns: one at a time, while all that vote are there.

        etcd: server/etcdserver/server.go, mayAddMember; api/membership/cluster.go, ErrTooManyLearners.
        """
        cluster = self.server.cluster
        self._agreed()
        member = json.loads(self.body)
        if member["critical"] != cluster.critical():
            raise Failure(400, "BadRequest", "critical configuration value mismatch between servers")
        if self._elsewhere(self.path):
            cluster.state.adopt(json.loads(cluster.peer(cluster.leader()).call("/v1-k3s/stand-in-state")))
        elif cluster.peers().get(member["name"]) != member["url"]:
            if len(cluster.up()) < len(cluster.voters()):
                raise Failure(503, "ServiceUnavailable", membership.UNHEALTHY)
            if cluster.state.exported()["learners"]:
                raise Failure(400, "BadRequest", membership.TOO_MANY_LEARNERS)
            cluster.state.set_member(member["name"], member["url"], learner=True)
        self._answer(200, cluster.state.exported())

    def _agreed(self) -> None:
        """Fail unless etcd can change something now."""
        if why := self.server.cluster.no_quorum(now=True):
            raise Failure(500, "InternalError", why)

    def _state(self) -> None:
        if self.command == "PUT":
            self.server.cluster.state.adopt(json.loads(self.body))
        self._answer(200, self.server.cluster.state.exported())

    def _kubelet_certificate(self) -> None:
        """Sign for a node that has the password it came with first (k3s: pkg/nodepassword)."""
        cluster = self.server.cluster
        name = self.headers.get("k3s-Node-Name", "").lower()
        password = self.headers.get("k3s-Node-Password", "")
        if not name or not password:
            raise Failure(400, "BadRequest", "node name or password not set")
        if not cluster.ready:
            raise Failure(503, "ServiceUnavailable", "runtime core not ready")
        hashed = hashlib.sha256(password.encode()).hexdigest()
        kept = cluster.state.exported()["passwords"].get(name)
        if kept not in (None, hashed):
            raise Failure(403, "Forbidden", f"unable to verify password for node {name}: hash does not match")
        if kept is None and not self._elsewhere(self.path):
            cluster.state.set_password(name, hashed)
        try:
            key = certificates.requested_key(self.body)
        except ValueError as error:
            raise Failure(400, "BadRequest", str(error)) from error
        pem = cluster.client_ca.client(f"system:node:{name}", (NODES,), key)
        self._write(200, pem, "text/plain")

    def _elsewhere(self, path: str) -> bytes:
        """Have the server that takes changes do it; b"" if that is this one."""
        leader = self.server.cluster.leader()
        if not leader:
            return b""
        kept = ("Authorization", "Content-Type", "k3s-Node-Name", "k3s-Node-Password")
        headers = {name: self.headers[name] for name in kept if self.headers.get(name)}
        try:
            peer = self.server.cluster.peer(leader)
            # It asks the other servers first.
            return peer.call(path, method=self.command, body=self.body, headers=headers, timeout=30)
        except (OSError, http.client.HTTPException) as error:
            raise Failure(500, "InternalError", "etcdserver: request timed out") from error

    # The API server

    def _api(self, path: str, caller: Caller | None) -> None:
        cluster = self.server.cluster
        if caller is None:
            raise Failure(401, "Unauthorized", "Unauthorized")
        if not cluster.ready:
            raise Failure(503, "ServiceUnavailable", "apiserver not ready")
        if path in ("/readyz", "/livez", "/healthz"):
            self._health(path)
            return
        if path in answers.DISCOVERY and self.command == "GET":
            self._answer(200, answers.DISCOVERY[path])
            return
        if self.command != "GET":
            self._agreed()
        elif why := cluster.no_quorum():
            raise Failure(500, "InternalError", why)
        if self.command != "GET":
            self._authorize_change(path, caller)
            forwarded = self._elsewhere(self.path)
            if forwarded:
                self._write(200, forwarded, "application/json")
                return
        objects.answer(self, path)

    def _health(self, path: str) -> None:
        if self.server.cluster.no_quorum():
            text = f"[+]ping ok\n[-]etcd failed: reason withheld\n{path[1:]} check failed\n"
            self._write(500, text.encode(), "text/plain")
            return
        self._write(200, b"ok", "text/plain")

    def _authorize_change(self, path: str, caller: Caller) -> None:
        """Let administrators do everything, a node change itself (Node authorizer, NodeRestriction)."""
        if MASTERS in caller.groups:
            return
        own = caller.name.removeprefix("system:node:")
        itself = path in (f"/api/v1/nodes/{own}", f"/api/v1/nodes/{own}/status") or (
            path == "/api/v1/nodes" and json.loads(self.body)["metadata"]["name"] == own
        )
        if NODES in caller.groups and self.command != "DELETE" and itself:
            return
        verb = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[self.command]
        raise Failure(
            403,
            "Forbidden",
            f'{path.removeprefix("/api/v1/")} is forbidden: User "{caller.name}" cannot {verb} resource',
        )

    # Answers

    def _answer(self, code: int, body: Any) -> None:
        self._write(code, json.dumps(body).encode() + b"\n", "application/json")

    def _write(self, code: int, body: bytes, kind: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def context(cluster: Cluster, certificate: str, key: str) -> ssl.SSLContext:
    """Return TLS with certificates of clients asked for, not demanded."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    made.load_cert_chain(certificate, key)
    made.load_verify_locations(cadata=cluster.client_ca.pem.decode())
    made.verify_mode = ssl.CERT_OPTIONAL
    made.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return made


def serve(listener: Listener) -> None:
    threading.Thread(target=listener.serve_forever, daemon=True).start()


def reserve(address: str, port: int) -> socket.socket:
    """Take a port that k3s listens on besides: a second program there would keep it from starting."""
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((address, port))
        taken.listen()
    except OSError as error:
        taken.close()
        logs.fatal(f"listen tcp {address}:{port}: bind: {(error.strerror or '').lower()}")
    return taken

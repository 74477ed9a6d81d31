"""mirantis/ucp-controller: UCP's API, over TLS, with authentication.

Paths are those that launchpad asks (Mirantis/launchpad: pkg/mke/mke.go, phase/validate_mke_health.go) and
those of Docker's API, which UCP passes on. Anybody may ask /_ping and /ca; all else takes the token of a
login, or the certificate of a bundle.
"""

from __future__ import annotations

import hmac
import json
import os
import re
import ssl
import tempfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ucp_stand_in import docker_api, keys
from ucp_stand_in.ucp import hashed

DIRECTORY = "/etc/ucp"
LARGEST_BODY = 1024 * 1024


class Controller:
    def __init__(self) -> None:
        with open(f"{DIRECTORY}/ucp.json", encoding="utf-8") as file:
            self.settings: dict[str, Any] = json.load(file)
        with open(f"{DIRECTORY}/ca.pem", "rb") as opened:
            self.ca = opened.read()
        with open(f"{DIRECTORY}/ca-key.pem", "rb") as opened:
            self.ca_key = opened.read()
        self.tokens: set[str] = set()

    def context(self) -> ssl.SSLContext:
        address = str((docker_api.info().get("Swarm") or {}).get("NodeAddr") or "127.0.0.1")
        names = [address, "127.0.0.1", "localhost", *self.settings["sans"]]
        key, certificate = keys.signed(self.ca_key, self.ca, "ucp", names)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(cadata=self.ca.decode())
        with tempfile.NamedTemporaryFile() as file:
            file.write(key + certificate)
            file.flush()
            context.load_cert_chain(file.name)
        return context


class Handler(BaseHTTPRequestHandler):
    controller: Controller
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self) -> None:
        path = re.sub(r"^/v[0-9.]+/", "/", self.path.partition("?")[0])
        length = int(self.headers.get("Content-Length") or 0)
        if length > LARGEST_BODY:
            self._send(413, b"")
            return
        body = self.rfile.read(length) if length else None
        if path == "/auth/login":
            self._login(body)
        elif path == "/ca":
            self._send(200, self.controller.ca, "text/plain")
        elif path == "/_ping":
            _, headers, _ = docker_api.raw("GET", "/_ping")
            self._send(200, b"OK", "text/plain", headers)
        elif not self._known():
            self._error(401, "unauthorized")
        elif path == "/api/clientbundle":
            host, _, port = (self.headers.get("Host") or "").rpartition(":")
            user = self.controller.settings["user"]
            made = keys.bundle(
                self.controller.ca_key,
                self.controller.ca,
                user,
                host or port,
                int(port) if host else 443,
            )
            self._send(200, made, "application/zip")
        elif path == "/id":
            info = docker_api.info()
            self._send(200, json.dumps({"id": info["Swarm"]["Cluster"]["ID"]}).encode())
        elif path == "/nodes":
            self._send(200, json.dumps(self._nodes()).encode())
        else:
            status, headers, answer = docker_api.raw(self.command, self.path, body)
            self._send(status, answer, headers.get("content-type", "application/json"), headers)

    def _nodes(self) -> list[dict[str, Any]]:
        nodes: list[dict[str, Any]] = docker_api.call("GET", "/nodes")
        tasks = docker_api.call("GET", "/tasks", filters={"service": ["ucp-agent"]})
        running = {task["NodeID"] for task in tasks if task["Status"]["State"] == "running"}
        for node in nodes:
            role = node["Spec"]["Role"]
            if node["ID"] in running:
                node["Status"]["Message"] = f"Healthy UCP {role}"
            else:
                node["Status"].update(
                    State="unknown", Message="Awaiting healthy status in Classic Node Inventory"
                )
        return nodes

    def _login(self, body: bytes | None) -> None:
        settings = self.controller.settings
        try:
            given = json.loads(body or b"")
            user, password = str(given["username"]), str(given["password"])
        except (ValueError, KeyError, TypeError):
            self._error(400, "invalid request")
            return
        right = hmac.compare_digest(hashed(password, settings["salt"]), settings["password"])
        if user != settings["user"] or not right:
            self._error(401, "invalid credentials")
            return
        token = os.urandom(16).hex()
        self.controller.tokens.add(token)
        self._send(200, json.dumps({"auth_token": token, "token_id": token[:8]}).encode())

    def _known(self) -> bool:
        kind, _, token = (self.headers.get("Authorization") or "").partition(" ")
        if kind == "Bearer" and token in self.controller.tokens:
            return True
        return bool(self.connection.getpeercert())  # TLS verified it

    def _error(self, status: int, message: str) -> None:
        self._send(status, json.dumps({"errors": [{"code": "ERROR", "message": message}]}).encode())

    def _send(
        self,
        status: int,
        body: bytes,
        kind: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        for name in ("api-version", "ostype", "docker-experimental"):
            if headers and name in headers:
                self.send_header(name, headers[name])
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(("0.0.0.0", port), handler)  # noqa: S104

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(30)
        try:
            wrapped = self._context.wrap_socket(request, server_side=True)
        except OSError:
            return
        with wrapped:
            super().finish_request(wrapped, client_address)

    def handle_error(self, *_: object) -> None:
        pass


def run(words: list[str]) -> None:
    if words != ["serve"]:
        raise SystemExit(2)
    controller = Controller()
    Handler.controller = controller
    _Server(443, Handler, controller.context()).serve_forever()

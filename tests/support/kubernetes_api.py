"""A Kubernetes API in a thread, as far as dinv asks one: by TLS, and with 401 for who has no certificate."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from own_certificates import CA, CLIENT, SERVER, Own

from dinv.provisioners.kubernetes.kubeconfigs import Credentials

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JSON = dict[str, Any]
ETCD = "etcd.k3s.cattle.io"
"""Annotations of nodes that are members of etcd begin so."""


def node(name: str, *, ready: bool = True, server: bool = False, cordoned: bool = False) -> JSON:
    labels = {"node-role.kubernetes.io/control-plane": "true"} if server else {}
    status = "True" if ready else "False"
    condition = {"type": "Ready", "status": status, "message": "it is well" if ready else "no network"}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"unschedulable": True} if cordoned else {},
        "status": {"conditions": [condition]},
    }


def pod(
    name: str, on: str, *, kind: str = "ReplicaSet", phase: str = "Running", mirror: bool = False
) -> JSON:
    annotations = {"kubernetes.io/config.mirror": "x"} if mirror else {}
    about: JSON = {"name": name, "namespace": "default", "annotations": annotations}
    about["ownerReferences"] = [{"kind": kind}]
    return {"metadata": about, "spec": {"nodeName": on}, "status": {"phase": phase}}


class Cluster:
    """What the API has. `calls` are METHOD PATH; `ready` is what /readyz says, "" for well."""

    def __init__(self) -> None:
        self.nodes: dict[str, JSON] = {}
        self.pods: list[JSON] = []
        self.calls: list[str] = []
        self.ready = ""
        self.held: set[str] = set()
        """Names of pods that may not go."""
        self.page = 1000
        self.stuck = ""
        """What etcd says to changes when it has no majority."""
        self.raw: bytes | None = None
        """Answered in place of anything else."""
        self.server = ""
        self.credentials = Credentials(b"", b"", b"")
        self.anonymous = Credentials(b"", b"", b"")

    def answer(  # noqa: PLR0911  (one for each)
        self, method: str, path: str, query: JSON, body: JSON
    ) -> tuple[int, JSON | str]:
        if path == "/readyz":
            return (500, {"message": self.ready}) if self.ready else (200, "ok")
        if path == "/version":
            return 200, {"gitVersion": "v1.33.5+k3s1"}
        if path == "/api/v1/nodes":
            return 200, self._paged(list(self.nodes.values()), query)
        if path == "/api/v1/pods":
            on = query["fieldSelector"][0].removeprefix("spec.nodeName=")
            return 200, self._paged([each for each in self.pods if each["spec"]["nodeName"] == on], query)
        name = path.rpartition("/")[2]
        if path.endswith("/eviction"):
            return self._evict(path.split("/")[-2])
        if path.startswith("/api/v1/nodes/") and name in self.nodes:
            return self._node(method, name, body)
        return 404, {"message": f'"{name}" not found', "reason": "NotFound"}

    def _node(self, method: str, name: str, body: JSON) -> tuple[int, JSON]:
        if self.stuck and method != "GET":
            return 500, {"message": self.stuck}
        if method == "DELETE":
            del self.nodes[name]
        elif method == "PATCH" and "metadata" in body:
            self._annotate(self.nodes[name]["metadata"], body["metadata"]["annotations"])
        elif method == "PATCH":
            wanted = body["spec"]["unschedulable"]
            self.nodes[name]["spec"] = {"unschedulable": True} if wanted else {}
        return 200, self.nodes.get(name, {})

    def _annotate(self, about: JSON, annotations: JSON) -> None:
        """Take a member out of etcd whose node is annotated so, as k3s does."""
        kept = about.setdefault("annotations", {})
        kept.update(annotations)
        if kept.get(f"{ETCD}/remove") == "true" and f"{ETCD}/node-name" in kept:
            kept[f"{ETCD}/removed-node-name"] = kept.pop(f"{ETCD}/node-name")

    def _paged(self, items: list[JSON], query: JSON) -> JSON:
        start = int(query.get("continue", ["0"])[0])
        more = str(start + self.page) if start + self.page < len(items) else ""
        return {"items": items[start : start + self.page], "metadata": {"continue": more}}

    def _evict(self, name: str) -> tuple[int, JSON]:
        if name in self.held:
            return 429, {"message": "Cannot evict pod as it would violate the pod's disruption budget."}
        before = len(self.pods)
        self.pods = [each for each in self.pods if each["metadata"]["name"] != name]
        return (201, {}) if len(self.pods) < before else (404, {"message": "gone"})


@contextlib.contextmanager
def serving(directory: Path, *, names: tuple[str, ...] = ("127.0.0.1",)) -> Iterator[Cluster]:
    """Serve an API on a free port of 127.0.0.1, with a certificate for these addresses only."""
    ca = Own("k3s-server-ca", CA)
    alternatives = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(each)) for each in names])
    own, admin = Own("k3s", SERVER, alternatives, issuer=ca), Own("system:admin", CLIENT, issuer=ca)
    other = Own("somebody", CLIENT)
    cluster = Cluster()
    cluster.credentials = Credentials(ca.pem, admin.pem, admin.key_pem())
    cluster.anonymous = Credentials(ca.pem, other.pem, other.key_pem())

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            where = urlsplit(self.path)
            cluster.calls.append(f"{self.command} {where.path}")
            said: JSON | str
            if not self.connection.getpeercert():
                status, said = 401, {"message": "Unauthorized"}
            else:
                found = json.loads(body or b"{}")
                status, said = cluster.answer(self.command, where.path, parse_qs(where.query), found)
            content = said.encode() if isinstance(said, str) else json.dumps(said).encode()
            if cluster.raw is not None:
                content = cluster.raw
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_DELETE = _do  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*own.put(directory, "api"))
    context.load_verify_locations(cadata=ca.pem.decode())
    context.verify_mode = ssl.CERT_OPTIONAL

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Say nothing of clients that break off."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    cluster.server = f"https://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield cluster
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)

"""A small client of the Kubernetes API: nodes, and what a drain needs. By client certificate only.

k3s answers 401 to whoever has none, even at /readyz (k3s: pkg/daemons/control/server.go,
anonymous-auth=false).
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import time
from datetime import datetime
from urllib.parse import quote, urlsplit

from dinv.errors import KubernetesError
from dinv.system import scratch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dinv.provisioners.kubernetes.kubeconfigs import Credentials

CALL_SECONDS = 5.0
MOST_BYTES = 32 << 20
PAGE = 250
_CHUNK = 65536

_CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
_MIRROR = "kubernetes.io/config.mirror"


class Api:
    """The API of one cluster, at the server of one machine. `server` is https://HOST:PORT.

    Raises KubernetesError for credentials that are none.
    """

    def __init__(
        self, machine: str, server: str, credentials: Credentials, *, timeout: float = CALL_SECONDS
    ) -> None:
        self._machine = machine
        self.server = server
        self.credentials = credentials
        self._timeout = timeout
        where = urlsplit(server)
        self._host, self._port = where.hostname or "", where.port or 443
        try:
            self._context = _context(credentials)
        except (ssl.SSLError, ValueError) as error:
            raise self._refused("the certificates in its kubeconfig cannot be used") from error

    def not_ready(self) -> str:
        """Return why the API does not serve yet; "" if it does. Raises nothing."""
        try:
            self._call("GET", "/readyz")
        except KubernetesError as error:
            return error.reason
        return ""

    def version(self) -> str:
        """Return the server's version, such as v1.33.1+k3s1. Raises KubernetesError."""
        return str(self._json("GET", "/version").get("gitVersion") or "")

    def nodes(self) -> dict[str, dict[str, Any]]:
        """Return the nodes of the cluster by name, as the API has them. Raises KubernetesError."""
        return {
            str((node.get("metadata") or {}).get("name") or ""): node for node in self._pages("/api/v1/nodes")
        }

    def node(self, name: str) -> dict[str, Any] | None:
        """Return one node; None if the cluster has none of this name. Raises KubernetesError."""
        try:
            return self._json("GET", f"/api/v1/nodes/{quote(name)}")
        except KubernetesError as error:
            if error.status == http.client.NOT_FOUND:
                return None
            raise

    def cordon(self, name: str, *, on: bool) -> None:
        """Have the scheduler leave a node alone, or use it again. Raises KubernetesError."""
        self._json(
            "PATCH",
            f"/api/v1/nodes/{quote(name)}",
            {"spec": {"unschedulable": True if on else None}},
            kind="application/merge-patch+json",
        )

    def annotate(self, name: str, annotations: dict[str, str]) -> None:
        """Give a node annotations, besides those that it has. Raises KubernetesError."""
        self._json(
            "PATCH",
            f"/api/v1/nodes/{quote(name)}",
            {"metadata": {"annotations": annotations}},
            kind="application/merge-patch+json",
        )

    def delete_node(self, name: str) -> None:
        """Delete a node, unless it is gone already. Raises KubernetesError."""
        try:
            self._json("DELETE", f"/api/v1/nodes/{quote(name)}")
        except KubernetesError as error:
            if error.status != http.client.NOT_FOUND:
                raise

    def pods_to_move(self, node: str) -> list[tuple[str, str]]:
        """Return namespace and name of the pods of a node that others can run instead.

        Not those of DaemonSets, which belong to the node, nor the kubelet's own, nor what has ended. Raises
        KubernetesError.
        """
        found = []
        for pod in self._pages(f"/api/v1/pods?fieldSelector=spec.nodeName%3D{quote(node)}"):
            about = pod.get("metadata") or {}
            owners = {str(owner.get("kind")) for owner in about.get("ownerReferences") or ()}
            ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
            if not ended and "DaemonSet" not in owners and _MIRROR not in (about.get("annotations") or {}):
                found.append((str(about.get("namespace")), str(about.get("name"))))
        return found

    def evict(self, namespace: str, pod: str) -> bool:
        """Have a pod end and be started elsewhere; False if it may not go now. Raises KubernetesError."""
        path = f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(pod)}/eviction"
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": namespace},
        }
        try:
            self._json("POST", path, body)
        except KubernetesError as error:
            if error.status == http.client.NOT_FOUND:
                return True
            if error.status == http.client.TOO_MANY_REQUESTS:  # a PodDisruptionBudget
                return False
            raise
        return True

    def _pages(self, path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        token = ""
        mark = "&" if "?" in path else "?"
        while True:
            more = f"&continue={quote(token, safe='')}" if token else ""
            page = self._json("GET", f"{path}{mark}limit={PAGE}{more}")
            found += [each for each in page.get("items") or () if isinstance(each, dict)]
            token = str((page.get("metadata") or {}).get("continue") or "")
            if not token:
                return found

    def _json(
        self, method: str, path: str, body: object = None, *, kind: str = "application/json"
    ) -> dict[str, Any]:
        answer = self._call(method, path, None if body is None else json.dumps(body).encode(), kind)
        try:
            found = json.loads(answer or b"{}")
        except (ValueError, RecursionError) as error:
            raise self._refused("its answer is not JSON", http.client.BAD_GATEWAY) from error
        return found if isinstance(found, dict) else {}

    def _call(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> bytes:
        """Make one call, on a connection of its own. Raises KubernetesError."""
        end = time.monotonic() + self._timeout
        connection = http.client.HTTPSConnection(
            self._host, self._port, timeout=self._timeout, context=self._context
        )
        try:
            headers = {"Accept": "application/json", **({"Content-Type": kind} if body else {})}
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            answer = bytearray()
            while data := response.read(_CHUNK):
                answer += data
                if len(answer) > MOST_BYTES:
                    raise self._refused("its answer has no end", http.client.BAD_GATEWAY)
                if time.monotonic() > end:
                    raise self._refused(f"it does not answer in {self._timeout:g} s")
        except ssl.SSLCertVerificationError as error:
            raise self._refused(
                f"its certificate is not for {self._host}, or not of its CA: {error.verify_message}"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            slow = isinstance(error, TimeoutError | socket.timeout)
            why = f"it does not answer in {self._timeout:g} s" if slow else _why(error)
            raise self._refused(why) from error
        finally:
            connection.close()
        if response.status >= http.client.BAD_REQUEST:
            raise self._refused(_message(response.status, bytes(answer)), response.status)
        return bytes(answer)

    def _refused(self, reason: str, status: int = 0) -> KubernetesError:
        return KubernetesError(self._machine, self.server, reason, status)


def _why(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error) or repr(error)


def _message(status: int, answer: bytes) -> str:
    """Return the message of a Status object, on one line, else HTTP's word for the status."""
    try:
        said = json.loads(answer)
    except (ValueError, RecursionError):
        said = None
    message = str(said.get("message") or "") if isinstance(said, dict) else ""
    word = http.client.responses.get(status, "")
    return " ".join(message.split())[:500] or f"{status} {word}".strip()


def _context(credentials: Credentials) -> ssl.SSLContext:
    """Make TLS settings from PEM. OpenSSL takes a key from a file only: it is gone again at once."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=credentials.ca.decode(errors="replace"))
    with scratch.directory("dinv-kube-") as directory:
        path = os.path.join(directory, "client.pem")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(credentials.certificate.rstrip() + b"\n" + credentials.key)
        context.load_cert_chain(path, password=lambda: "-")
    return context


# What a node says of itself


def is_ready(node: dict[str, Any]) -> bool:
    """Return whether a node's condition Ready is true."""
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def is_server(node: dict[str, Any]) -> bool:
    """Return whether it is a member of the control plane."""
    return _CONTROL_PLANE in ((node.get("metadata") or {}).get("labels") or {})


def annotations_of(node: dict[str, Any]) -> dict[str, str]:
    """Return its annotations."""
    return (node.get("metadata") or {}).get("annotations") or {}


def is_cordoned(node: dict[str, Any]) -> bool:
    """Return whether the scheduler leaves it alone."""
    return bool((node.get("spec") or {}).get("unschedulable"))


def state(node: dict[str, Any]) -> str:
    """Return its state in one word, for lists."""
    if not is_ready(node):
        return "not ready"
    return "drained" if is_cordoned(node) else "ready"


def last_heard(node: dict[str, Any]) -> float:
    """Return when a node last said how it is, in seconds of its clock since 1970; 0.0 if it does not say."""
    for each in (node.get("status") or {}).get("conditions") or ():
        if each.get("type") == "Ready":
            try:
                return datetime.fromisoformat(str(each.get("lastHeartbeatTime"))).timestamp()
            except ValueError:
                return 0.0
    return 0.0


def why_not_ready(node: dict[str, Any] | None) -> str:
    """Return what a node says about not being Ready."""
    if node is None:
        return "the cluster does not know it yet"
    for each in (node.get("status") or {}).get("conditions") or ():
        if each.get("type") == "Ready":
            return " ".join(str(each.get("message") or each.get("reason") or "it is not Ready").split())[:300]
    return "it has not said how it is"

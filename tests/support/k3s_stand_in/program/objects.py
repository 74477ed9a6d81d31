"""The objects of the API: nodes, which are real, and as much of the rest as clients ask for beside them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NoReturn

from k3s_stand_in.program import answers, patches, tables
from k3s_stand_in.program.state import Conflict

if TYPE_CHECKING:
    from k3s_stand_in.program.api import Handler

_NODES = "/api/v1/nodes"


def answer(handler: Handler, path: str) -> None:
    """Answer a request for objects. Raises Failure."""
    if path == _NODES:
        _all_nodes(handler)
    elif path.startswith(_NODES + "/"):
        name, _, subresource = path.removeprefix(_NODES + "/").partition("/")
        if subresource not in ("", "status"):
            _not_found(handler)
        _one_node(handler, name)
    elif handler.command == "GET":
        _others(handler, path)
    else:
        _not_found(handler)


def _others(handler: Handler, path: str) -> None:
    state = handler.server.cluster.state
    revision = state.revision
    words = path.removeprefix("/api/v1/").split("/") if path.startswith("/api/v1/") else []
    where, what = (words[1], words[2:]) if len(words) > 2 and words[0] == "namespaces" else ("", words)
    if where and where not in answers.NAMESPACES:
        _not_found(handler)
    if what == ["namespaces"]:
        items = [answers.namespace(name) for name in answers.NAMESPACES]
        handler._answer(200, answers.listed("Namespace", revision, items))
    elif len(what) == 2 and what[0] == "namespaces" and what[1] in answers.NAMESPACES:
        handler._answer(200, answers.namespace(what[1]))
    elif what == ["pods"]:
        handler._answer(200, answers.listed("Pod", revision, []))
    elif what == ["serviceaccounts"]:
        places = [where] if where else list(answers.NAMESPACES)
        items = [answers.service_account(place) for place in places]
        handler._answer(200, answers.listed("ServiceAccount", revision, items))
    elif what == ["serviceaccounts", "default"] and where:
        handler._answer(200, answers.service_account(where))
    elif what == ["secrets"] and where in ("", "kube-system"):
        names = [f"{name}.node-password.k3s" for name in state.exported()["passwords"]]
        items = [{"metadata": {"name": name, "namespace": "kube-system"}} for name in names]
        handler._answer(200, answers.listed("Secret", revision, items))
    elif path.startswith("/apis/apps/v1/") and path.endswith("/daemonsets"):
        handler._answer(200, answers.listed("DaemonSet", revision, [], "apps/v1"))
    else:
        _not_found(handler)


def _all_nodes(handler: Handler) -> None:
    state = handler.server.cluster.state
    if handler.command == "POST":
        node = _sent(handler)
        node.update(kind="Node", apiVersion="v1")
        try:
            handler._answer(201, state.put(node, create=True))
        except Conflict:
            name = node["metadata"]["name"]
            _fail(409, "AlreadyExists", f'nodes "{name}" already exists', name)
        return
    if handler.command != "GET":
        _fail(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
    if handler.query.get("watch") in ("true", "1"):
        _watch(handler)
        return
    revision, nodes = state.listed()
    nodes = [node for node in nodes if _selected(handler, node)]
    if _wants_table(handler):
        handler._answer(200, tables.table(str(revision), nodes))
    else:
        handler._answer(200, answers.listed("Node", revision, nodes))


def _one_node(handler: Handler, name: str) -> None:
    state = handler.server.cluster.state
    node = state.node(name)
    if node is None:
        _fail(404, "NotFound", f'nodes "{name}" not found', name)
    if handler.command == "GET":
        revision = node["metadata"]["resourceVersion"]
        handler._answer(200, tables.table(revision, [node]) if _wants_table(handler) else node)
        return
    if handler.command == "DELETE":
        state.remove(name)
        details = {"name": name, "kind": "nodes", "uid": node["metadata"]["uid"]}
        done = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
        handler._answer(200, done)
        return
    if handler.command == "PUT":
        new = _sent(handler)
        expected = new["metadata"].get("resourceVersion", "")
    elif handler.command == "PATCH":
        patch = _json(handler)
        try:
            new = patches.patched(node, patch, handler.headers.get_content_type())
        except (ValueError, KeyError, TypeError, IndexError) as error:
            _fail(415 if "unknown format" in str(error) else 422, "Invalid", str(error), name)
        meant = patch.get("metadata", {}) if isinstance(patch, dict) else {}
        expected = meant.get("resourceVersion", node["metadata"]["resourceVersion"])
    else:
        _fail(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
    if new["metadata"].get("name") != name:
        _fail(400, "BadRequest", "the name of the object does not match the name on the URL", name)
    try:
        handler._answer(200, state.put(new, expected=expected))
    except Conflict:
        _fail(
            409,
            "Conflict",
            f'Operation cannot be fulfilled on nodes "{name}": the object has been modified; please apply '
            "your changes to the latest version and try again",
            name,
        )


def _watch(handler: Handler) -> None:
    state = handler.server.cluster.state
    wanted = handler.query.get("resourceVersion", "")
    revision = int(wanted) if wanted.isdecimal() else 0
    ends = time.monotonic() + float(handler.query.get("timeoutSeconds") or 1800)
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    first = True
    if revision == 0:
        revision, nodes = state.listed()
        for node in nodes:
            first = _tell(handler, "ADDED", node, first=first)
    while time.monotonic() < ends:
        for at, kind, node in state.after(revision, min(1.0, max(0.0, ends - time.monotonic()))):
            revision = at
            first = _tell(handler, kind, node, first=first)
        handler.wfile.flush()
    handler.wfile.write(b"0\r\n\r\n")


def _tell(handler: Handler, kind: str, node: dict[str, Any], *, first: bool) -> bool:
    """Send one change to a watcher; return whether the next is still the first."""
    if not _selected(handler, node):
        return first
    body = node
    if _wants_table(handler):
        body = tables.table(node["metadata"]["resourceVersion"], [node], columns=first)
    line = json.dumps({"type": kind, "object": body}).encode() + b"\n"
    handler.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
    return False


def _wants_table(handler: Handler) -> bool:
    return "as=Table" in handler.headers.get("Accept", "")


def _selected(handler: Handler, node: dict[str, Any]) -> bool:
    for term in handler.query.get("fieldSelector", "").split(","):
        field, _, value = term.replace("==", "=").partition("=")
        if field == "metadata.name" and node["metadata"]["name"] != value:
            return False
    labels = node["metadata"].get("labels", {})
    for term in handler.query.get("labelSelector", "").split(","):
        key, equals, value = term.replace("==", "=").partition("=")
        if key and (key not in labels or (equals and labels[key] != value)):
            return False
    return True


def _sent(handler: Handler) -> dict[str, Any]:
    found = _json(handler)
    if not isinstance(found, dict) or not isinstance(found.get("metadata"), dict):
        _fail(400, "BadRequest", "the object provided is unrecognized")
    assert isinstance(found, dict)
    return found


def _json(handler: Handler) -> Any:
    try:
        return json.loads(handler.body)
    except ValueError:
        _fail(400, "BadRequest", "the object provided is unrecognized (must be of type Node)")


def _not_found(handler: Handler) -> NoReturn:
    _fail(404, "NotFound", "the server could not find the requested resource")


def _fail(code: int, reason: str, message: str, name: str = "") -> NoReturn:
    from k3s_stand_in.program.api import Failure

    details = {"name": name, "kind": "nodes"} if name else {}
    raise Failure(code, reason, message, **details)

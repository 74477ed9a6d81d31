"""What the API says of itself: versions, resources, and the errors of Kubernetes."""

from __future__ import annotations

from typing import Any

VERSION = "v1.33.5+k3s1"
_VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]

VERSIONS = {
    "major": "1",
    "minor": "33",
    "gitVersion": VERSION,
    "gitCommit": "148243c49519922720fcd1f340c7bbf9d5ea0a1b",
    "gitTreeState": "clean",
    "buildDate": "2025-09-12T00:00:00Z",
    "goVersion": "go1.24.6",
    "compiler": "gc",
    "platform": "linux/amd64",
}


def status(code: int, reason: str, message: str, **details: Any) -> dict[str, Any]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        **({"details": details} if details else {}),
        "code": code,
    }


def listed(kind: str, revision: int, items: list[dict[str, Any]], version: str = "v1") -> dict[str, Any]:
    metadata = {"resourceVersion": str(revision)}
    return {"kind": f"{kind}List", "apiVersion": version, "metadata": metadata, "items": items}


def _resource(name: str, kind: str, *, namespaced: bool, short: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "name": name,
        "singularName": kind.lower(),
        "namespaced": namespaced,
        "kind": kind,
        "verbs": _VERBS,
        "shortNames": list(short),
    }


CORE = {
    "kind": "APIResourceList",
    "groupVersion": "v1",
    "resources": [
        _resource("nodes", "Node", namespaced=False, short=("no",)),
        _resource("namespaces", "Namespace", namespaced=False, short=("ns",)),
        _resource("pods", "Pod", namespaced=True, short=("po",)),
        _resource("serviceaccounts", "ServiceAccount", namespaced=True, short=("sa",)),
        _resource("secrets", "Secret", namespaced=True),
    ],
}
DISCOVERY: dict[str, dict[str, Any]] = {
    "/version": VERSIONS,
    "/api": {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:6443"}],
    },
    "/api/v1": CORE,
    "/apis": {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [
            {
                "name": "apps",
                "versions": [{"groupVersion": "apps/v1", "version": "v1"}],
                "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"},
            }
        ],
    },
    "/apis/apps/v1": {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": "apps/v1",
        "resources": [_resource("daemonsets", "DaemonSet", namespaced=True, short=("ds",))],
    },
}
NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


def namespace(name: str) -> dict[str, Any]:
    metadata = {"name": name, "resourceVersion": "1", "labels": {"kubernetes.io/metadata.name": name}}
    return {"kind": "Namespace", "apiVersion": "v1", "metadata": metadata, "status": {"phase": "Active"}}


def service_account(where: str) -> dict[str, Any]:
    metadata = {"name": "default", "namespace": where, "resourceVersion": "1"}
    return {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": metadata}

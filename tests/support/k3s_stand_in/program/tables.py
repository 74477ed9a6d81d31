"""Nodes as the tables that kubectl asks for (kubernetes: pkg/printers/internalversion/printers.go)."""

from __future__ import annotations

import datetime as dt
from typing import Any

_COLUMNS = (
    ("Name", "name", 0),
    ("Status", "", 0),
    ("Roles", "", 0),
    ("Age", "", 0),
    ("Version", "", 0),
    ("Internal-IP", "", 1),
    ("External-IP", "", 1),
    ("OS-Image", "", 1),
    ("Kernel-Version", "", 1),
    ("Container-Runtime", "", 1),
)
_ROLE = "node-role.kubernetes.io/"


def table(revision: str, nodes: list[dict[str, Any]], *, columns: bool = True) -> dict[str, Any]:
    definitions = [
        {"name": name, "type": "string", "format": form, "description": name, "priority": priority}
        for name, form, priority in _COLUMNS
    ]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": revision},
        "columnDefinitions": definitions if columns else None,
        "rows": [{"cells": _cells(node), "object": _partial(node)} for node in nodes],
    }


def ready(node: dict[str, Any]) -> str:
    """Return the status of a node's condition Ready: True, False or Unknown."""
    conditions = node.get("status", {}).get("conditions", [])
    return next((str(one["status"]) for one in conditions if one.get("type") == "Ready"), "Unknown")


def _cells(node: dict[str, Any]) -> list[str]:
    metadata, status = node["metadata"], node.get("status", {})
    words = ["Ready" if ready(node) == "True" else "NotReady"]
    if node.get("spec", {}).get("unschedulable"):
        words.append("SchedulingDisabled")
    roles = sorted(key.removeprefix(_ROLE) for key in metadata.get("labels", {}) if key.startswith(_ROLE))
    info = status.get("nodeInfo", {})
    addresses = {one["type"]: one["address"] for one in status.get("addresses", [])}
    return [
        metadata["name"],
        ",".join(words),
        ",".join(roles) or "<none>",
        _age(metadata["creationTimestamp"]),
        info.get("kubeletVersion", ""),
        addresses.get("InternalIP", "<none>"),
        addresses.get("ExternalIP", "<none>"),
        info.get("osImage", "<unknown>"),
        info.get("kernelVersion", "<unknown>"),
        info.get("containerRuntimeVersion", "<unknown>"),
    ]


def _partial(node: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": node["metadata"]}


def _age(created: str) -> str:
    made = dt.datetime.strptime(created, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.UTC)
    seconds = max(0, int((dt.datetime.now(dt.UTC) - made).total_seconds()))
    if seconds < 120:
        return f"{seconds}s"
    if seconds < 7200:
        return f"{seconds // 60}m"
    return f"{seconds // 3600}h" if seconds < 172800 else f"{seconds // 86400}d"

"""What a cluster keeps: its nodes, their passwords, its servers. In etcd or SQLite there, here in a file.

With `--cluster-init` the servers are members of an etcd: one of them, the first that is up, takes what is
changed and hands it to the others; without a majority of those that vote nothing is answered, as with etcd.
"""

from __future__ import annotations

import copy
import json
import os
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from k3s_stand_in.program import certificates

if TYPE_CHECKING:
    from collections.abc import Callable

_REMEMBERED = 500

# Annotations of the nodes of etcd's members
MEMBER = "etcd.k3s.cattle.io/node-name"
ADDRESS = "etcd.k3s.cattle.io/node-address"
REMOVE = "etcd.k3s.cattle.io/remove"
REMOVED = "etcd.k3s.cattle.io/removed-node-name"


class Conflict(Exception):
    """An object was changed since it was read."""


class State:
    """The objects, with revisions, and the changes that watchers are told of."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._changed = threading.Condition(threading.RLock())
        self.cluster = str(uuid.uuid4())
        self.revision = 1
        self.nodes: dict[str, dict[str, Any]] = {}
        self.passwords: dict[str, str] = {}
        self.members: dict[str, str] = {}
        self.learners: list[str] = []
        self.events: list[tuple[int, str, dict[str, Any]]] = []
        self.on_change: Callable[[dict[str, Any]], None] = lambda _state: None
        if os.path.exists(path):
            with open(path, encoding="utf-8") as stream:
                self._take(json.load(stream))

    def exported(self) -> dict[str, Any]:
        with self._changed:
            return copy.deepcopy(
                {
                    "cluster": self.cluster,
                    "revision": self.revision,
                    "nodes": self.nodes,
                    "passwords": self.passwords,
                    "members": self.members,
                    "learners": self.learners,
                }
            )

    def adopt(self, found: dict[str, Any], *, joining: bool = False) -> bool:
        """Take another server's state if it is newer; return whether it is of the same cluster."""
        with self._changed:
            if found["cluster"] != self.cluster and not joining:
                return False
            if found["revision"] <= self.revision and not joining:
                return True
            before = self.nodes
            self._take(found)
            for name in before.keys() | self.nodes.keys():
                old, new = before.get(name), self.nodes.get(name)
                if old != new:
                    kind = "DELETED" if new is None else "ADDED" if old is None else "MODIFIED"
                    self._remember(kind, new if new is not None else before[name])
            self._save()
        return True

    def reset(self, name: str, url: str) -> None:
        """Be a cluster of one server, with all that is known (k3s: pkg/etcd/etcd.go, Reset)."""
        with self._changed:
            self.cluster = str(uuid.uuid4())
            self.members, self.learners = {name: url}, []
            self.passwords.pop(name, None)
            self.revision += 1
            self._save()

    def node(self, name: str) -> dict[str, Any] | None:
        with self._changed:
            return copy.deepcopy(self.nodes.get(name))

    def listed(self) -> tuple[int, list[dict[str, Any]]]:
        with self._changed:
            return self.revision, copy.deepcopy([self.nodes[name] for name in sorted(self.nodes)])

    def put(self, node: dict[str, Any], *, expected: str = "", create: bool = False) -> dict[str, Any]:
        """Create or replace a node. Raises Conflict, also for one that is created twice."""
        with self._changed:
            metadata = node["metadata"]
            name = metadata["name"]
            old = self.nodes.get(name)
            if create == (old is not None):
                raise Conflict
            if old is not None:
                if expected and expected != old["metadata"]["resourceVersion"]:
                    raise Conflict
                if {**node, "metadata": None} == {**old, "metadata": None} and metadata == old["metadata"]:
                    return copy.deepcopy(old)
            metadata["uid"] = old["metadata"]["uid"] if old else str(uuid.uuid4())
            made = old["metadata"]["creationTimestamp"] if old else now()
            metadata["creationTimestamp"] = made
            _taint(node)
            self._take_out(node)
            self.revision += 1
            metadata["resourceVersion"] = str(self.revision)
            self.nodes[name] = copy.deepcopy(node)
            self._remember("MODIFIED" if old else "ADDED", node)
            self._save()
        self.on_change(self.exported())
        return copy.deepcopy(node)

    def remove(self, name: str) -> dict[str, Any] | None:
        """Remove a node, its password, and its membership (k3s: pkg/node, pkg/etcd/member_controller)."""
        with self._changed:
            node = self.nodes.pop(name, None)
            if node is None:
                return None
            self.revision += 1
            node["metadata"]["resourceVersion"] = str(self.revision)
            self.passwords.pop(name, None)
            self._drop_member(name)
            self._remember("DELETED", node)
            self._save()
        self.on_change(self.exported())
        return node

    def set_password(self, name: str, hashed: str) -> None:
        with self._changed:
            self.revision += 1
            self.passwords[name] = hashed
            self._save()
        self.on_change(self.exported())

    def set_member(self, name: str, url: str, *, learner: bool = False) -> None:
        with self._changed:
            self.revision += 1
            self.members[name] = url
            if learner:
                self.learners.append(name)
            self._save()
        self.on_change(self.exported())

    def promote(self, name: str) -> None:
        """Have a learner vote."""
        with self._changed:
            self.revision += 1
            self.learners.remove(name)
            self._save()
        self.on_change(self.exported())

    def evict(self, name: str) -> None:
        """Take a member out of etcd, and leave its node alone."""
        with self._changed:
            self.revision += 1
            self._drop_member(name)
            self._save()
        self.on_change(self.exported())

    def after(self, revision: int, timeout: float) -> list[tuple[int, str, dict[str, Any]]]:
        """Wait for changes after `revision`; return them, [] once `timeout` seconds are over."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                found = [event for event in self.events if event[0] > revision]
                left = deadline - time.monotonic()
                if found or left <= 0:
                    return copy.deepcopy(found)
                self._changed.wait(left)

    def _take(self, found: dict[str, Any]) -> None:
        self.cluster = found["cluster"]
        self.revision = found["revision"]
        self.nodes = found["nodes"]
        self.passwords = found["passwords"]
        self.members = found["members"]
        self.learners = found["learners"]

    def _take_out(self, node: dict[str, Any]) -> None:
        """Take a member out of etcd whose node is annotated so (k3s: pkg/etcd/member_controller.go, sync)."""
        annotations = node["metadata"].get("annotations") or {}
        if annotations.get(REMOVED, annotations.get(MEMBER)) != annotations.get(MEMBER):
            if MEMBER in annotations:  # it has come back as another member
                annotations[REMOVE] = "false"
                del annotations[REMOVED]
            return
        if annotations.get(REMOVE, "").lower() != "true":
            return
        if member := annotations.pop(MEMBER, ""):
            annotations.pop(ADDRESS, None)
            annotations[REMOVED] = member
            self._drop_member(node["metadata"]["name"])

    def _drop_member(self, name: str) -> None:
        self.members.pop(name, None)
        self.learners = [each for each in self.learners if each != name]

    def _remember(self, kind: str, node: dict[str, Any]) -> None:
        self.events = [*self.events[-_REMEMBERED:], (self.revision, kind, copy.deepcopy(node))]
        self._changed.notify_all()

    def _save(self) -> None:
        certificates.write(self._path, json.dumps(self.exported()).encode())


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _taint(node: dict[str, Any]) -> None:
    """Keep the taint that goes with `unschedulable`, as Kubernetes' node lifecycle controller does."""
    spec = node.setdefault("spec", {})
    key = "node.kubernetes.io/unschedulable"
    others = [taint for taint in spec.get("taints", []) if taint.get("key") != key]
    if spec.get("unschedulable"):
        others.append({"key": key, "effect": "NoSchedule"})
    else:
        spec.pop("unschedulable", None)
    spec["taints"] = others
    if not others:
        del spec["taints"]

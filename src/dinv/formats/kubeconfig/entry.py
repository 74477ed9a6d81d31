"""What is put into a kubeconfig: a cluster, a user and a context of one name, as text."""

from __future__ import annotations

import base64
import json
import re

from dinv.formats.kubeconfig.document import LISTS, MARK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PLAIN = re.compile(r"(?:https://[A-Za-z0-9.\[\]:-]+|[A-Za-z/][A-Za-z0-9_./+=-]*)")
_NOT_TEXT = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
_NOT_PRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
"""What JSON allows in strings, and YAML does not."""


class Entry:
    """How a machine's cluster is reached.

    `identity` is the machine's id, by which the entry is found again; `machine` and `store` are for people.
    The certificates and the key are PEM.
    """

    def __init__(
        self,
        name: str,
        *,
        cluster_ca: bytes,
        server: str,
        client_certificate: bytes,
        client_key: bytes,
        identity: str,
        machine: str,
        store: str,
    ) -> None:
        self.name = name
        mark = {"id": identity, "machine": machine, "store": store}
        self.identity = identity
        self._extensions = [{"extension": mark, "name": MARK}]
        self._bodies: dict[str, dict[str, Any]] = {
            "clusters": {"certificate-authority-data": _base64(cluster_ca), "server": server},
            "users": {
                "client-certificate-data": _base64(client_certificate),
                "client-key-data": _base64(client_key),
            },
        }

    def item(self, kind: str, name: str) -> dict[str, Any]:
        """Return the item of one of the lists, its keys in the order in which kubectl writes them."""
        body = self._bodies.get(kind, {"cluster": name, "user": name})
        body = {**body, "extensions": self._extensions}
        item = {LISTS[kind]: dict(sorted(body.items())), "name": name}
        return dict(sorted(item.items()))


def block(value: Any, indent: str) -> list[str]:
    """Return the lines of a mapping, or of a list of mappings, in YAML's block style."""
    if isinstance(value, list):
        lines = []
        for item in value:
            first, *rest = block(item, indent + "  ")
            lines += [f"{indent}- {first[len(indent) + 2 :]}", *rest]
        return lines
    lines = []
    for key, inner in value.items():
        if isinstance(inner, dict):
            lines += [f"{indent}{key}:", *block(inner, indent + "  ")]
        elif isinstance(inner, list):
            lines += [f"{indent}{key}:", *block(inner, indent)]
        else:
            lines.append(f"{indent}{key}: {scalar(inner)}")
    return lines


def scalar(text: str) -> str:
    """Return a string as a scalar that is one for YAML 1.1 and 1.2."""
    if _PLAIN.fullmatch(text) and text.lower() not in _NOT_TEXT:
        return text
    return quoted(text)


def quoted(value: Any, indent: int | None = None) -> str:
    """Return JSON that is YAML as well. YAML wants no lone surrogates, nor C1 controls."""
    return _NOT_PRINTABLE.sub(
        lambda found: f"\\u{ord(found[0]):04x}" if not "\ud800" <= found[0] <= "\udfff" else "?",
        json.dumps(value, ensure_ascii=False, indent=indent),
    )


def _base64(pem: bytes) -> str:
    return base64.b64encode(pem).decode()

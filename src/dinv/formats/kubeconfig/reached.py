"""What a kubeconfig's current context leads to: a server, and what it takes to be let in there."""

from __future__ import annotations

import base64
import binascii

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.formats.kubeconfig.document import Document
    from dinv.formats.kubeconfig.tree import Node


class Reached:
    """A server's URL, its CA, and a client's certificate and key: PEM."""

    def __init__(self, server: str, cluster_ca: bytes, client_certificate: bytes, client_key: bytes) -> None:
        self.server = server
        self.cluster_ca = cluster_ca
        self.client_certificate = client_certificate
        self.client_key = client_key


def reached(document: Document) -> Reached:
    """Return what the current context leads to. Raises ValueError if that is not all in the file."""
    context = _named(document, "contexts", "context", document.current)
    cluster = _named(document, "clusters", "cluster", _text(context, "cluster"))
    user = _named(document, "users", "user", _text(context, "user"))
    return Reached(
        _text(cluster, "server"),
        _pem(cluster, "certificate-authority-data"),
        _pem(user, "client-certificate-data"),
        _pem(user, "client-key-data"),
    )


def _named(document: Document, kind: str, key: str, name: str) -> Node:
    for item in document.items(kind):
        node = item.resolved()
        if _text(node, "name", needed=False) == name and (body := node.get(key)) is not None:
            return body
    raise ValueError(f'it has no {key} "{name}"')


def _text(node: Node, key: str, *, needed: bool = True) -> str:
    found = node.get(key)
    text = found.value if found is not None else ""
    if needed and not text:
        raise ValueError(f'there is no "{key}" in it')
    return text


def _pem(node: Node, key: str) -> bytes:
    try:
        return base64.b64decode(_text(node, key), validate=True)
    except binascii.Error as error:
        raise ValueError(f'its "{key}" is not base64') from error

"""Kubeconfigs for tests: made by hypothesis in many styles, and an entry to put into them."""

from __future__ import annotations

import json
from typing import Any

import yaml
from hypothesis import strategies as st

from dinv.formats import kubeconfig
from dinv.formats.kubeconfig.document import LISTS

IDENTITY = "0123abcd"


def entry(
    name: str = "k1", identity: str = IDENTITY, server: str = "https://192.0.2.7:6443"
) -> kubeconfig.Entry:
    return kubeconfig.Entry(
        name,
        cluster_ca=b"-----BEGIN CERTIFICATE-----\nca\n-----END CERTIFICATE-----\n",
        server=server,
        client_certificate=b"-----BEGIN CERTIFICATE-----\nclient\n-----END CERTIFICATE-----\n",
        client_key=b"-----BEGIN EC PRIVATE KEY-----\nkey\n-----END EC PRIVATE KEY-----\n",
        identity=identity,
        machine=name,
        store="/home/ann/.docker/machine",
    )


_NAMES = st.one_of(
    st.sampled_from(
        ["k1", "dinv-k2", "prod", "admin@prod", "arn:aws:eks:eu-1:1:cluster/x", "yes", "1", "ä 𝄞"]
    ),
    st.text("abc-_./:@ #'\"{}[],&*!|>%\n", min_size=1, max_size=8),
)
_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 9999), _NAMES, st.just("a\nlong\n\n  text\n")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["exec", "args", "env", "tls"]), inner, max_size=3),
    ),
    max_leaves=6,
)


@st.composite
def contents(draw: st.DrawFn, *, least: int = 0) -> dict[str, Any]:
    """Make what a kubeconfig says, with at least `least` entries in each list."""
    found: dict[str, Any] = {"apiVersion": "v1", "kind": "Config"}
    for kind, key in LISTS.items():
        names = draw(st.lists(_NAMES, min_size=least, max_size=3, unique=True))
        items = [{"name": name, key: draw(st.dictionaries(_NAMES, _VALUES, max_size=3))} for name in names]
        if items:
            found[kind] = items
        else:
            found |= draw(st.sampled_from([{}, {kind: []}, {kind: None}]))
    if least:
        found["current-context"] = "prod"
    else:
        found |= draw(st.sampled_from([{}, {"current-context": ""}, {"current-context": "prod"}]))
    found |= draw(st.sampled_from([{}, {"preferences": {}}, {"x-mine": {"a": ["b", {"c": "d"}]}}]))
    keys = draw(st.permutations(list(found)))
    return {key: found[key] for key in keys}


@st.composite
def written(draw: st.DrawFn, content: dict[str, Any]) -> bytes:
    """Write a kubeconfig in one of the ways in which people and programs do."""
    text: str = draw(st.sampled_from([_block, _indented, _mixed, _flow, _json, _pretty]))(content)
    if draw(st.booleans()):
        text = _commented(text, draw(st.lists(st.integers(0, 40), max_size=2)))
    text = draw(st.sampled_from(["", "# mine\n", "---\n", "# a\n--- # b\n", "%YAML 1.1\n---\n"])) + text
    text += draw(st.sampled_from(["", "", "# the end", "...\n", "\n\n"]))
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    if draw(st.booleans()):
        text = text.rstrip("\r\n")
    mark: bytes = draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    return mark + text.encode()


def _block(content: dict[str, Any]) -> str:
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=False))


class _Indenting(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002
        super().increase_indent(flow, False)  # noqa: FBT003


def _indented(content: dict[str, Any]) -> str:
    return yaml.dump(content, Dumper=_Indenting, sort_keys=False, allow_unicode=True, indent=4)


def _mixed(content: dict[str, Any]) -> str:
    return str(yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=40))


def _flow(content: dict[str, Any]) -> str:
    return str(yaml.safe_dump(content, sort_keys=False, default_flow_style=True, width=60))


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False) + "\n"


def _pretty(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def _commented(text: str, places: list[int]) -> str:
    """Put comments between lines where they change nothing."""
    meant = yaml.safe_load(text)
    lines = text.split("\n")
    for place in places:
        tried = [*lines[:place], "    # a comment: [of mine", *lines[place:]]
        try:
            if yaml.safe_load("\n".join(tried)) == meant:
                lines = tried
        except yaml.YAMLError:
            continue
    return "\n".join(lines)

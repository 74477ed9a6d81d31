"""The kinds of documents: which keys each has. A dinv.yaml is of the kind Fleet; others may bring theirs."""

from __future__ import annotations

from dinv.declaration import DURATION, INTEGER, PATH, SWITCH, Option
from dinv.declared.option_shapes import CommonOptions, CreateOptions, OptionValue
from dinv.declared.shapes import Keys, Named, Shape, Text
from dinv.formats.strict_yaml import MAPPING
from dinv.registries import cache_store
from dinv.store import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from dinv.declared.shapes import Reading
    from dinv.formats.strict_yaml import Node
    from dinv.store.settings import Defaults

API_VERSION = "dinv/v1"
FLEET = "Fleet"
FILE_NAME = r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?"
LONGEST_FILE_NAME = 63

CACHE_OPTIONS = (
    Option("upstream", "", "registry to pull through, such as ghcr.io, or REGISTRY=URL", repeatable=True),
    Option("push", "", "one more registry, to push to", type=SWITCH),
    Option("endpoint", "", "where: a URL, a docker context or a machine"),
    Option("endpoint-cert-path", "", "its ca.pem, cert.pem and key.pem", type=PATH),
    Option("network", "", "network of the endpoint to join"),
    Option("image", "", "the cache's image, where none can be built"),
    Option("credentials", "", "users and passwords for the upstreams, as docker's config.json", type=PATH),
)
"""What a cache may be told: the flags of `cache create`."""

POOL_OPTIONS = (
    Option("size", "", "unclaimed machines to keep ready (1)", type=INTEGER),
    Option("max", "", "machines at most, claimed ones included (0: no bound)", type=INTEGER),
    Option("one-at-a-time", "", "replace at most one machine at a time", type=SWITCH),
    Option("parked", "", "failed machines to keep for inspection", type=INTEGER),
    Option("max-age", "", "replace unclaimed machines of this age", type=DURATION),
    Option("parallel", "", "machines to make at once", type=INTEGER),
)
"""What a pool may be told besides the options of its machines: the flags of `pool create`."""
NOT_OF_POOLS = ("context", "keep-on-failure")
LONGEST_POOL_NAME = 48


class Kind:
    """A kind of document: its name, the shape of its keys, and how its schema is called.

    A document without `kind` is of the kind that is `implied`.
    """

    def __init__(
        self, name: str, keys: Mapping[str, Shape], *, text: str = "", implied: bool = False
    ) -> None:
        self.name = name
        self.keys = dict(keys)
        self.text = text
        self.implied = implied

    def shape(self) -> Shape:
        """Return the shape of a whole document, apiVersion and kind included."""
        own: dict[str, Shape] = {"apiVersion": Constant(API_VERSION), "kind": Constant(self.name)}
        needed = ["apiVersion", *(["kind"] if not self.implied else []), "name"]
        return Document({**own, **self.keys}, self.text, needed=needed, extensions=True)


class Constant(Shape):
    """One text, and no other."""

    def __init__(self, value: str) -> None:
        self._value = value

    def read(self, reading: Reading, node: Node, path: str) -> Any:
        if node.text != self._value:
            return reading.problem(node, path, f"has to be {self._value}")
        return self._value

    def schema(self) -> dict[str, Any]:
        return {"const": self._value}


class Document(Keys):
    """The keys of a document; what stands under `defaults` holds for all options in it."""

    def read(self, reading: Reading, node: Node, path: str) -> Any:
        common = node.get("defaults") if node.kind == MAPPING else None
        if common is not None and common.kind == MAPPING:
            reading.inherited = list(common.pairs)
        return super().read(reading, node, path)


def fleet(environ: Mapping[str, str] | None = None, defaults: Defaults | None = None) -> Kind:
    """Return the kind of a dinv.yaml: machines, registry caches and pools.

    `environ` and `defaults` say, as for `create`, which driver and so on is meant where the file names none.
    """
    options = CreateOptions("A machine: the options of create", environ=environ, defaults=defaults)
    cache = Keys(
        {option.name: OptionValue(option) for option in CACHE_OPTIONS},
        "A registry cache, and what it pulls through",
    )
    keys: dict[str, Shape] = {
        "name": name_of_file(),
        "defaults": CommonOptions(
            "Options of all machines and pools in this file that do not say otherwise",
            environ=environ,
            defaults=defaults,
        ),
        "caches": Named(
            cache,
            "Registry caches, by name",
            pattern=layout.NAME,
            due="a name for a registry cache: letters, digits, dots and hyphens",
            longest=cache_store.LONGEST_NAME,
        ),
        "machines": Named(
            options,
            "Machines, by name",
            pattern=layout.NAME,
            due="a machine's name: letters, digits, dots and hyphens",
            longest=layout.LONGEST_NAME,
        ),
    }
    pool = CreateOptions(
        "A pool: its numbers, and the options of its machines",
        extra=POOL_OPTIONS,
        environ=environ,
        defaults=defaults,
        without=NOT_OF_POOLS,
    )
    keys["pools"] = Named(
        pool,
        "Pools of machines that are made before anybody asks, by name",
        pattern=layout.NAME,
        due="a pool's name: letters, digits, dots and hyphens",
        longest=LONGEST_POOL_NAME,
    )
    return Kind(FLEET, keys, text="Docker hosts: machines, registry caches and pools", implied=True)


def name_of_file() -> Text:
    """Return the shape of `name`: by which what a file has made is known."""
    return Text(
        "The file's own name: what it has made is known by it",
        pattern=FILE_NAME,
        due="a name: small letters, digits, dots and hyphens",
        longest=LONGEST_FILE_NAME,
    )

"""What documents ask for, thing by thing, and what is recorded of that with the thing."""

from __future__ import annotations

import hashlib
import json
import os

from dinv.declaration import PAIRS, to_record
from dinv.declared.kinds import CACHE_OPTIONS, POOL_OPTIONS
from dinv.errors import DeclarationError
from dinv.lifecycle.change.unchangeable import OF_THE_CREATE
from dinv.options import Table
from dinv.store.settings import Defaults

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from dinv.declaration import Option
    from dinv.declared.reading import Document
    from dinv.options import Values

CACHE, MACHINE, POOL = "cache", "machine", "pool"
SECTIONS = {"caches": CACHE, "machines": MACHINE, "pools": POOL}


class Wanted:
    """One thing that a document asks for.

    `options` are what it says, by keyword; `declared` the declarations of these options, by keyword.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        document: Document,
        options: Mapping[str, Any],
        declared: Mapping[str, Option],
    ) -> None:
        self.kind = kind
        self.name = name
        self.document = document
        self.options = dict(options)
        self.declared = dict(declared)

    def __repr__(self) -> str:
        return f"<Wanted {self.kind} {self.name}>"

    @property
    def file(self) -> str:
        """The name of the file that asks for it."""
        return self.document.name

    @property
    def path(self) -> str:
        """Where it stands in its document."""
        return f"{self.kind}s.{self.name}"

    def recorded(self) -> dict[str, Any]:
        """Return its options as they are recorded: checked, without secrets; of private pairs only the names.

        Those that concern the create alone are left out: they are nothing that the thing has.
        """
        known = {key: option for key, option in self.declared.items() if key not in OF_THE_CREATE}
        values = {key: option.value(self.options.get(key), {}) for key, option in known.items()}
        said = {key: value for key, value in values.items() if key in self.options}
        found = to_record(known.values(), said)
        for key, option in known.items():
            if option.private and option.type == PAIRS and key in found:
                found[key] = [str(each).partition("=")[0] for each in found[key]]
        return found

    def applied(self) -> dict[str, Any]:
        """Return what is recorded with the thing."""
        options = self.recorded()
        text = json.dumps([self.kind, options], sort_keys=True)
        return {
            "File": self.file,
            "Generation": hashlib.sha256(text.encode()).hexdigest()[:16],
            "Options": options,
        }


def of(documents: Sequence[Document], store: str) -> list[Wanted]:
    """Return all that documents ask for, in their order: caches, machines, pools.

    Raises DeclarationError for what stands in two of them, InputError.
    """
    found: dict[tuple[str, str], Wanted] = {}
    defaults = Defaults.of(store)
    for section, kind in SECTIONS.items():
        for document in documents:
            for name, options in (document.values.get(section) or {}).items():
                given = {key.replace("-", "_"): value for key, value in options.items()}
                wanted = Wanted(kind, name, document, given, _declared(kind, given, defaults))
                other = found.setdefault((kind, name), wanted)
                if other is not wanted:
                    at = f"stands in {other.document.source or other.file} as well"
                    raise DeclarationError([document.problem(wanted.path, at)], document.source)
    return list(found.values())


def _declared(kind: str, given: Mapping[str, Any], defaults: Defaults) -> dict[str, Option]:
    options: Iterable[Option] = CACHE_OPTIONS
    if kind != CACHE:
        options = Table.chosen(given, os.environ, defaults)
    if kind == POOL:
        options = [*options, *POOL_OPTIONS]
    return {option.key: option for option in options if option.key in given}


def values(wanted: Wanted, store: str) -> Values:
    """Return the effective values of a create, as `Machines.create` has them. Raises InputError."""
    table = Table.chosen(wanted.options, os.environ, Defaults.of(store))
    return table.values(wanted.options, os.environ)

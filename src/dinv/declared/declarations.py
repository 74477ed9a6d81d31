"""Files of machines, for users of the library: `Machines.declared`."""

from __future__ import annotations

import os
import sys

from dinv.declared import canonical, wanted
from dinv.declared.carrying import Carrier
from dinv.declared.kinds import fleet
from dinv.declared.planning import PARALLEL, Planner
from dinv.declared.reading import LARGEST_BYTES, read, read_file
from dinv.declared.schema import schema
from dinv.errors import InputError
from dinv.progress import Progress
from dinv.store.settings import Defaults
from dinv.timeouts import SERVE_SECONDS
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from dinv.declared.changes import Change, Done
    from dinv.declared.kinds import Kind
    from dinv.declared.reading import Document

USUAL = "dinv.yaml"
"""The file that is read where none is named."""


class Declarations:
    """What files declare, compared with a store, and made so.

        documents = machines.declared.read(["dinv.yaml"])
        changes = machines.declared.plan(documents)
        done = machines.declared.apply(changes)

    A `Document` is what one file says; a `Change` what would be done about one thing; a `Done` what became of
    it. `parallel` is how many things are looked at, or changed, at the same time.
    """

    def __init__(
        self, path: str, *, trace: Callable[[str], None] | None = None, parallel: int = PARALLEL
    ) -> None:
        self._path = path
        self._trace = trace
        self.parallel = parallel

    def read(
        self, paths: Iterable[str] = (USUAL,), *, variables: Mapping[str, str] | None = None
    ) -> list[Document]:
        """Read files; "-" is standard input. `variables` are for `${NAME}`: by default the environment's.

        Raises DeclarationError, with all that is wrong in a file, each with line and column; InputError.
        """
        variables = os.environ if variables is None else variables
        kinds, documents = [self._kind()], []
        for path in paths:
            if path == "-":
                content = sys.stdin.buffer.read(LARGEST_BYTES + 1)
                documents.append(
                    read(
                        content,
                        kinds=kinds,
                        variables=variables,
                        source="standard input",
                        directory=os.getcwd(),
                    )
                )
            elif path == USUAL and not os.path.lexists(path):
                raise InputError(f"There is no {USUAL} here. Name a file: " + option("file", "FILE"))
            else:
                documents.append(read_file(path, kinds=kinds, variables=variables))
        return documents

    def plan(
        self,
        documents: Sequence[Document],
        *,
        prune: bool = False,
        take_over: bool = False,
        progress: Progress | None = None,
    ) -> list[Change]:
        """Return what would be done so that there is what the documents say, and change nothing.

        With `prune` there are removals of what files of these names have made, and say no more. Names of
        machines and caches that others have made are an error, or with `take_over` become the file's. What
        cannot be told of one thing is its change's `error`. Raises DeclarationError, InputError.
        """
        things = wanted.of(documents, self._path)
        planner = self._planner(take_over=take_over)
        changes = planner.changes(things, progress or Progress())
        if prune:
            changes += planner.removals([document.name for document in documents], things)
        return changes

    def removal(self, documents: Iterable[Document]) -> list[Change]:
        """Return the removals of all that files of these names have made; nothing of others is among them."""
        return self._planner().removals([document.name for document in documents])

    def apply(
        self,
        changes: Sequence[Change],
        *,
        timeout: float | None = None,
        progress: Callable[[str], Progress] | None = None,
    ) -> list[Done]:
        """Carry out what `plan` or `removal` has returned; return what became of each change.

        Caches come first, then machines, each after the one that it joins; one that fails stops no other but
        those that need it. `timeout`, in seconds, is for each daemon to answer after a change; `progress`
        returns the Progress for one thing, by its name. After a kill, plan and apply again.
        """
        carrier = Carrier(
            self._planner(take_over=True),
            progress or (lambda _name: Progress()),
            timeout=timeout or SERVE_SECONDS,
        )
        return carrier.carry_out(changes)

    def canonical(self, document: Document) -> str:
        """Return a document in its canonical form, as YAML: with defaults and variables, without secrets."""
        return canonical.text(document, self._path)

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema (2020-12) of these files, with the options of all plugins installed."""
        return schema(self._kind())

    def _kind(self) -> Kind:
        return fleet(os.environ, Defaults.of(self._path))

    def _planner(self, *, take_over: bool = False) -> Planner:
        return Planner(self._path, take_over=take_over, parallel=self.parallel, trace=self._trace)

"""A flag that a driver adds to `create`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any


class Flag:
    """One flag that a driver adds to `create`.

    `name` as typed, without dashes; `env` the variable that stands for it; `repeatable` flags give a
    tuple, and their variable is a list separated by commas. `short` is a letter for it. The help leaves
    out what is `rare` until all is asked for. `values` are those that have a name, for completion; there
    may be others.
    """

    def __init__(
        self,
        name: str,
        env: str,
        text: str,
        *,
        metavar: str = "VALUE",
        repeatable: bool = False,
        rare: bool = False,
        short: str = "",
        values: Iterable[str] = (),
    ) -> None:
        self.name = name
        self.env = env
        self.text = text
        self.metavar = metavar
        self.repeatable = repeatable
        self.rare = rare
        self.short = short
        self.values = tuple(values)

    @property
    def key(self) -> str:
        """The flag as keyword argument."""
        return self.name.replace("-", "_")

    def value(self, given: Any, environ: Mapping[str, str]) -> Any:
        """What holds: what was given, else the variable, else None or ()."""
        if self.repeatable:
            if given:
                return tuple(given)
            return tuple(part for part in environ.get(self.env, "").split(",") if part)
        return given if given is not None else environ.get(self.env) or None

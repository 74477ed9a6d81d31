"""The Alteration capability: how a machine is changed after it was made, for `dinv set`."""

from __future__ import annotations

from abc import ABC, abstractmethod

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from dinv.progress import Progress

UPDATE = "update"
"""The infrastructure changes the machine as it is: nothing stops."""
RELOAD = "reload"
"""The machine's daemon takes new options while it runs: nothing stops, no stream is cut."""
RESTART = "restart"
"""The machine's daemon is restarted: containers go on if they can, API streams are cut."""
RECREATION = "recreation"
"""The machine is made anew with the same volumes: its containers stop."""

MEANS = (UPDATE, RELOAD, RESTART, RECREATION)
"""The means by which a change takes effect, the weakest first."""


class Difference:
    """One option that is to change.

    `option` is its name without dashes. `before` and `after` are values as its flag has them, a list for one
    that can be given several times; "" or [] for none. `keys` are the keys of the record that differ. `means`
    is one of MEANS, "" before it is known.
    """

    def __init__(
        self, option: str, before: str | list[str], after: str | list[str], keys: Collection[str]
    ) -> None:
        self.option = option
        self.before = before
        self.after = after
        self.keys = tuple(keys)
        self.means = ""

    def __repr__(self) -> str:
        return f"<Difference {self.option}: {self.said}, {self.means}>"

    @property
    def said(self) -> str:
        """Return it for people: `2 GiB -> 8 GiB`, and of a list only what is added and taken away."""
        if isinstance(self.before, str) or isinstance(self.after, str):
            return f"{self.before or 'none'} -> {self.after or 'none'}"
        added = [f"+ {each}" for each in self.after if each not in self.before]
        gone = [f"- {each}" for each in self.before if each not in self.after]
        return ", ".join([*gone, *added]) or "other values"


class Alteration(ABC):
    """How one machine is changed: which keys of `config.driver` differ then, and who can change them.

    `changes` are those keys with their new values. Nothing here writes to the record.
    """

    @abstractmethod
    def changes(self, values: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
        """Return the keys of `config.driver` that the options would change, with their new values.

        `values` has the options that were given (`Driver.change_flags`), by keyword; None resets one to its
        default. Raises InputError, and PreCreateCheckFailed for what the infrastructure does not provide.
        """

    @abstractmethod
    def differences(self, changes: Mapping[str, Any]) -> list[Difference]:
        """Return the same in the words of the options, for the user."""

    @abstractmethod
    def updates(self, changes: Mapping[str, Any]) -> bool:
        """Whether the infrastructure can change all of this in the machine as it is, without stopping it."""

    @abstractmethod
    def check(self, changes: Mapping[str, Any]) -> None:
        """Raise MachineError if `update` would harm what runs in the machine."""

    @abstractmethod
    def update(self, values: Mapping[str, Any]) -> None:
        """Give the machine these values of `config.driver`, and check that it has them.

        All or nothing. Raises MachineError, MachineGone.
        """

    @abstractmethod
    def has(self, values: Mapping[str, Any]) -> bool:
        """Whether the machine has these values, asked of the infrastructure."""

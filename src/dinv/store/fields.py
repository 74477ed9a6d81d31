"""Names and types for dinv's part of a record, so that a typo is found before anything runs.

Each is a descriptor of `MachineConfig` that reads and writes the document itself: keys without a name here
are left alone. A missing value reads as the empty one of its type; a `brief` field with an empty value is
left out of the document.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol, TypedDict

    class Record(Protocol):
        """An object with dinv's part in its document."""

        @property
        def ours(self) -> dict[str, Any]:
            """The part of dinv's, to be changed in place."""

    class UpgradeJournal(TypedDict, total=False):
        """An upgrade in progress: what was there before it, and how far it got.

        `Answers`: the new one answers; `Running`: the old one ran; `Step`: the last step begun.
        """

        Driver: dict[str, Any]
        ImageContract: str
        DockerVersion: str
        Running: bool
        Answers: bool
        Step: str

    class ChangeJournal(TypedDict, total=False):
        """A change of settings in progress (`dinv set`): what it is, and what was there before it.

        `Driver` and `EngineOptions`: what was there; `NewDriver` and `NewEngineOptions`: the keys that are to
        differ, with their new values. `Means`: by which means, `Running`: the machine ran; `Moves`: its
        address changes; `Answers`: it holds; `Step`: the last step begun.
        """

        Driver: dict[str, Any]
        EngineOptions: dict[str, Any]
        NewDriver: dict[str, Any]
        NewEngineOptions: dict[str, Any]
        Means: list[str]
        Running: bool
        Moves: bool
        Answers: bool
        Step: str

    class ClaimJournal(TypedDict, total=False):
        """A claim from a pool: the machine's `Name` in the store, its own `Labels`, and its `Lease`.

        `Context`: whether it is to have a docker context; `Refuse`: serial numbers of what an earlier claim,
        which was killed, has left; `Run`: whether it is for one command; `Step`: the last step begun.
        """

        Name: str
        Context: bool
        Labels: dict[str, str]
        Lease: dict[str, Any]
        Run: bool
        Refuse: list[str]
        Step: str

    class RenewalJournal(TypedDict, total=False):
        """Of a renewal that is under way: whether earlier clients are to be locked out.

        `Step` is the last one begun.
        """

        Clients: bool
        Step: str


class Text:
    """A text; a record without one that is `needed` is invalid (ConfigError)."""

    def __init__(self, key: str, *, missing: str = "", brief: bool = False, needed: bool = False) -> None:
        self._key = key
        self._missing = missing
        self._brief = brief
        self._needed = needed

    def __get__(self, record: Record, owner: type) -> str:
        if self._needed:
            return str(record.ours[self._key])
        return str(record.ours.get(self._key) or self._missing)

    def __set__(self, record: Record, value: str) -> None:
        if value or not self._brief:
            record.ours[self._key] = value
        else:
            record.ours.pop(self._key, None)


class Switch:
    """A flag that is true, or left out."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __get__(self, record: Record, owner: type) -> bool:
        return bool(record.ours.get(self._key))

    def __set__(self, record: Record, value: bool) -> None:  # noqa: FBT001  (an attribute's value)
        if value:
            record.ours[self._key] = True
        else:
            record.ours.pop(self._key, None)


class Number:
    """A whole number above 0; None, and left out of the document, if there is none."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __get__(self, record: Record, owner: type) -> int | None:
        found: int | None = record.ours.get(self._key)
        return found or None

    def __set__(self, record: Record, value: int | None) -> None:
        if value:
            record.ours[self._key] = value
        else:
            record.ours.pop(self._key, None)


class Texts:
    """A list of texts; an empty one is left out of the document."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __get__(self, record: Record, owner: type) -> list[str]:
        return list(record.ours.get(self._key) or ())

    def __set__(self, record: Record, value: list[str]) -> None:
        if value:
            record.ours[self._key] = value
        else:
            record.ours.pop(self._key, None)


class Options:
    """A seam's option values, by keyword."""

    def __init__(self, key: str, *, brief: bool = False) -> None:
        self._key = key
        self._brief = brief

    def __get__(self, record: Record, owner: type) -> dict[str, Any]:
        return dict(record.ours.get(self._key) or {})

    def __set__(self, record: Record, value: dict[str, Any]) -> None:
        if value or not self._brief:
            record.ours[self._key] = value
        else:
            record.ours.pop(self._key, None)

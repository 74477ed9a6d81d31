"""Names and types for what a record has under `Dinv`, so that a typo is found before anything runs.

Each is a descriptor of `MachineConfig`, which reads and writes the document itself: what has no name here
stays as it is. A value that is not there reads as the empty one of its type, and an empty one that is `brief`
is written by leaving it out.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol, TypedDict

    class Record(Protocol):
        """What has the part in its document."""

        @property
        def ours(self) -> dict[str, Any]:
            """The part, to be changed in place."""

    class UpgradeJournal(TypedDict, total=False):
        """Of an upgrade that is under way: what was before it, and how far it has come.

        `Answers` once the new one does; `Running` whether the old one ran; `Step` is the last one begun.
        """

        Driver: dict[str, Any]
        ImageContract: str
        DockerVersion: str
        Running: bool
        Answers: bool
        Step: str

    class RenewalJournal(TypedDict, total=False):
        """Of a renewal that is under way: whether earlier clients are to be locked out.

        `Step` is the last one begun.
        """

        Clients: bool
        Step: str


class Text:
    """A text; a record that lacks one that is `needed` is at fault (ConfigError)."""

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
    """Something that is so, or is not there."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __get__(self, record: Record, owner: type) -> bool:
        return bool(record.ours.get(self._key))

    def __set__(self, record: Record, value: bool) -> None:  # noqa: FBT001  (of an attribute)
        if value:
            record.ours[self._key] = True
        else:
            record.ours.pop(self._key, None)


class Options:
    """Values of a seam's options, by keyword."""

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

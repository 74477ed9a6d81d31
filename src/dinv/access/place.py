"""NAME:PATH: a path in a machine or on this computer."""

from __future__ import annotations

import os

from dinv.errors import InputError
from dinv.formats.visible import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from dinv.lifecycle.hosts import Hosts

HOME = "/root"
"""The directory that relative paths in a machine start from."""
_HERE = "localhost"
_USER = "root"


class Place:
    """One end of a copy or a mount: a path in a machine, or on this computer if `machine` is None.

    `user` is the user named in `USER@NAME:PATH`, or "".
    """

    __slots__ = ("machine", "path", "user")

    def __init__(self, machine: str | None, path: str, user: str = "") -> None:
        self.machine = machine
        self.path = path
        self.user = user

    def __str__(self) -> str:
        return one_line(self.path if self.machine is None else f"{self.machine}:{self.path}")

    def __repr__(self) -> str:
        return f"Place({self.machine!r}, {self.path!r})"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a place as scp does: `NAME:PATH`, `USER@NAME:PATH`, `localhost:PATH`, or a local path.

        A local path with a colon in its first part is written with a leading `./`. Raises InputError.
        """
        if not text:
            raise InputError("The path is empty")
        if "\0" in text:
            raise InputError("The path contains a zero byte")
        before, colon, path = text.partition(":")
        if not colon or not before or "/" in before:
            return cls(None, text)
        user, _, name = before.rpartition("@")
        if name == _HERE:
            return cls(None, path or ".")
        return cls(name, path, user)

    @classmethod
    def of_machine(cls, text: str) -> Self:
        """Parse a place in a machine; `machine` is None, for the default machine, if none is named.

        Raises InputError for `localhost:PATH`, and as `parse` does.
        """
        place = cls.parse(text)
        if place.machine is None and place.path != text:
            raise InputError(f"{one_line(text)} is a path here; name a machine: NAME:{one_line(place.path)}")
        return place

    def as_root(self) -> Self:
        """Return self. Raises InputError if it names a user other than root."""
        if self.user not in ("", _USER):
            raise InputError(
                f'"{self.user}@{self.machine}": files in a machine are {_USER}\'s; '
                f"write {self.machine}:{self.path}"
            )
        return self


def check_exists(place: Place, hosts: Hosts) -> None:
    """Raise MachineNotFound if the machine does not exist, before either end of a copy is touched."""
    if place.machine is None or hosts.store.exists(place.machine):
        return
    error = hosts.store.missing(place.machine)
    text = f"{place.machine}:{place.path}"
    if os.path.lexists(text):
        error.add_note(f"There is a file of this name here; to copy it, write ./{one_line(text)}")
    raise error

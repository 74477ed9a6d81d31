"""The store's config.toml: `[create]`, what a create is to use where nothing else is said, and `[hooks]`.

    [create]
    authority = "vault"
    vault-addr = "https://vault.example.com"
    label = { team = "red" }

Keys of `[create]` are the flags of `create`, without dashes. It is read by what creates a machine, by nothing
else: a machine's record has what was used.
"""

from __future__ import annotations

import os
import re
import stat

from dinv.declaration import PATH, SWITCH
from dinv.errors import InputError, OptionError
from dinv.store import login
from dinv.system import files
from dinv.wording import joined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from dinv.declaration import Option

NAME = "config.toml"
TABLES = ("create", "hooks")
LARGEST = 1024 * 1024


class Settings:
    """One table of the file at `path`: `values` by key, none if there is no file or no such table."""

    def __init__(self, path: str, table: str, values: Mapping[str, Any], text: str = "") -> None:
        self.path = path
        self.table = table
        self.values = values
        self._lines = text.splitlines()

    def place(self, key: str) -> str:
        """Return where a key stands: "PATH, line 4"; only the path if that cannot be told."""
        inside, whole = "", f"{self.table}.{key}".lstrip(".")
        own = re.compile(rf"""\s*(["']?){re.escape(key)}\1\s*[=.]""")
        full = re.compile(rf"\s*{re.escape(whole)}\s*[=.]")
        for number, line in enumerate(self._lines, 1):
            header = re.match(r"\s*\[+\s*([^\]]*?)\s*\]", line)
            if header:
                inside = header[1]
            found = (inside == self.table and own.match(line)) or (not inside and full.match(line))
            if found or (header and inside == whole):
                return f"{self.path}, line {number}"
        return self.path

    def refused(self, key: str, why: str) -> InputError:
        """Return the error for a key; `why` continues the sentence: "is not a size"."""
        return InputError(joined(" ", [f"{self.place(key)}: {key}", why]))


def read(store: str, table: str) -> Settings:
    """Return a table of a store's config.toml. Raises InputError for a file that cannot be used."""
    path = os.path.join(store, NAME)
    try:
        _check_safe(path)
        data = files.read(path, largest=LARGEST)
    except FileNotFoundError:
        return Settings(path, table, {})
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    import tomllib

    try:
        text = data.decode()
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not TOML: {error}.") from error
    for name, values in document.items():
        if name not in TABLES:
            known = ", ".join(f"[{each}]" for each in TABLES)
            raise Settings(path, "", document, text).refused(name, f"does not exist. There are {known}")
        if not isinstance(values, dict):
            raise Settings(path, "", document, text).refused(name, f"is not a table. Write [{name}]")
    return Settings(path, table, document.get(table, {}), text)


def _check_safe(path: str) -> None:
    """Raise InputError if somebody else may change the file: it can name commands that dinv runs."""
    found = os.stat(path)
    if found.st_uid not in (0, os.geteuid()):
        raise InputError(f"{path} is not used: it belongs to another user (uid {found.st_uid}).")
    if found.st_mode & stat.S_IWOTH:
        raise InputError(f"{path} is not used: everybody may write to it (chmod o-w {path}).")


class Defaults:
    """What `[create]` says of options."""

    def __init__(self, settings: Settings | None = None, *, implied: Mapping[str, Any] | None = None) -> None:
        """`implied` is what is meant where the file says nothing, by name."""
        self._settings = settings or Settings("", "create", {})
        self._implied = dict(implied or {})

    @classmethod
    def of(cls, store: str) -> Defaults:
        """Read those of a store; one that is logged in to a server means that. Raises InputError."""
        return cls(read(store, "create"), implied={"driver": login.DRIVER} if login.exists(store) else None)

    def fill(
        self, options: Iterable[Option], given: Mapping[str, Any], environ: Mapping[str, str]
    ) -> dict[str, Any]:
        """Return `given`, by keyword, and what is set here for options that are in no variable either.

        Raises InputError, which names file, line and key.
        """
        found = dict(given)
        for option in options if self._settings.values or self._implied else ():
            if found.get(option.key) is None and not option.variable(environ):
                value = self._value(option)
                if value is None:
                    value = self._implied.get(option.name)
                if value is not None:
                    found[option.key] = value
        return found

    def unknown(self, options: Iterable[Option]) -> list[str]:
        """Return the keys that are none of these options."""
        names = {name for option in options for name in _names(option)}
        return [key for key in self._settings.values if key not in names]

    def says(self, key: str, value: str) -> bool:
        """Return whether a key has this value."""
        return bool(self._settings.values.get(key) == value)

    def refused(self, key: str, why: str) -> InputError:
        """Return the error for a key."""
        return self._settings.refused(key, why)

    def _value(self, option: Option) -> Any:
        for name in _names(option):
            if name not in self._settings.values:
                continue
            value = self._settings.values[name]
            if option.secret:
                raise self.refused(
                    name, f"is a secret, which is not kept in a file. Put it into the variable {option.env}"
                )
            if option.type == SWITCH and name == option.off and isinstance(value, bool):
                value = not value
            elif option.type == SWITCH and not isinstance(value, bool):
                raise self.refused(name, "is neither true nor false")
            if option.type == PATH:
                value = self._from_here(value)
            try:
                return option.value(value, {})
            except OptionError as error:
                said = f"= {error.value!r} " if error.value is not None else ""
                raise self.refused(name, said + error.reason) from error
        return None

    def _from_here(self, value: Any) -> Any:
        """Make a path absolute: a relative one is meant from the file."""
        if isinstance(value, list):
            return [self._from_here(each) for each in value]
        if isinstance(value, str) and value and not value.startswith(("/", "~")):
            return os.path.join(os.path.dirname(self._settings.path), value)
        return value


def _names(option: Option) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in (option.name, option.off) if name))

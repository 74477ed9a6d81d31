"""Find implementations by name for the plugin seams: a plain table first, then entry points.

Scanning entry points costs 20 ms and more, so built-in names never wait for it, and each seam does it once: a
package that is installed while the program runs is seen by the next program.
"""

from __future__ import annotations

import os
import sys

from dinv import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.metadata import EntryPoint
    from typing import Any

BUILT_IN = "built in"


class Seam:
    """One kind of thing that packages can add.

    `what` is its name in messages ("driver"), `group` the group of entry points, `built_in` maps names to
    "module:attribute"; `base` is the class, written in the same way, that all of them derive from.
    """

    def __init__(self, what: str, group: str, built_in: Mapping[str, str], base: str) -> None:
        self.what = what
        self.group = group
        self.built_in = built_in
        self.base = base
        self._scanned: dict[str, list[EntryPoint]] | None = None

    def find(self, name: str) -> Any:
        """Return the class of this name.

        Raises PluginNotFound, PluginsClash if several packages have one, PluginBroken if its package
        cannot be loaded, or if what it provides is not of the right class.
        """
        if name in self.built_in:
            return load(self.built_in[name])
        plugins = self._plugins()
        if name not in plugins:
            raise errors.PluginNotFound(self.what, name, sorted({*self.built_in, *plugins}), self.group)
        if len(plugins[name]) > 1:
            raise errors.PluginsClash(self.what, name, [package(point) for point in plugins[name]])
        return self._load(plugins[name][0])

    def known(self) -> list[str]:
        """Return all names, built in or not, sorted."""
        return sorted({*self.built_in, *self._plugins()})

    def installed(self) -> list[Plugin]:
        """Return all implementations, built in or from packages, which are loaded to see if that works."""
        found = [Plugin(name, self.what, BUILT_IN) for name in sorted(self.built_in)]
        for name, points in sorted(self._plugins().items()):
            for point in points:
                others = [package(other) for other in points if other is not point]
                found.append(Plugin(name, self.what, package(point), self._problem(point, others)))
        return found

    def _plugins(self) -> dict[str, list[EntryPoint]]:
        if self._scanned is None:
            from importlib.metadata import entry_points

            found: dict[str, list[EntryPoint]] = {}
            for point in entry_points(group=self.group):
                found.setdefault(point.name, []).append(point)
            self._scanned = found
        return self._scanned

    def _problem(self, point: EntryPoint, others: list[str]) -> str:
        if point.name in self.built_in:
            return f"not used: dinv has a {self.what} of this name built in"
        if others:
            return f"not used: {' and '.join(others)} has a {self.what} of this name, too"
        try:
            self._load(point)
        except errors.PluginBroken as error:
            return error.reason
        return ""

    def _load(self, point: EntryPoint) -> Any:
        package = point.dist.name if point.dist else ""
        try:
            found = point.load()
        except Exception as error:  # the import of somebody else's package may raise anything
            reason = f"cannot be loaded from {point.value}: {error!r}"
            raise errors.PluginBroken(self.what, point.name, reason, package) from error
        if not (isinstance(found, type) and issubclass(found, load(self.base))):
            reason = f"is {point.value}, which does not derive from {self.base.replace(':', '.')}"
            raise errors.PluginBroken(self.what, point.name, reason, package)
        return found


class Plugin:
    """One implementation: its name, its `kind` ("driver"), where it comes from, and why it cannot be used.

    `source` is BUILT_IN, or a package and its version; `problem` is "" if it can be used.
    """

    def __init__(self, name: str, kind: str, source: str, problem: str = "") -> None:
        self.name = name
        self.kind = kind
        self.source = source
        self.problem = problem


def load(target: str) -> Any:
    """Return the object named by "module:attribute"."""
    module, _, attribute = target.partition(":")
    # importlib.import_module does the same, but importing it takes 0.6 ms.
    return getattr(__import__(module, fromlist=[attribute]), attribute)


def mentioned(group: str) -> bool:
    """Return whether some installed package may have entry points of a group.

    It looks for the name in the files where packages say what they have, which takes a tenth of the time of
    loading importlib.metadata and asking it. What is not a directory is not opened, and counts as a yes.
    """
    for place in sys.path:
        try:
            with os.scandir(place or ".") as entries:
                found = [entry.path for entry in entries if entry.name.endswith((".dist-info", ".egg-info"))]
        except NotADirectoryError:
            return True
        except OSError:
            continue
        for directory in found:
            try:
                with open(os.path.join(directory, "entry_points.txt"), "rb") as file:
                    if group.encode() in file.read():
                        return True
            except OSError:  # it has none
                continue
    return False


def package(point: EntryPoint) -> str:
    """Return the name and version of the package that has an entry point."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else "a package without a name"

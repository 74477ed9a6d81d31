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
    from importlib.metadata import Distribution, EntryPoint
    from typing import Any

BUILT_IN = "built in"
MOST_CHARACTERS = 200
"""Of what a package's error says."""


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
        self._damaged: list[Plugin] = []

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
        from dinv import __version__

        found = [
            Plugin(name, self.what, BUILT_IN, version=__version__, entry=self.built_in[name])
            for name in sorted(self.built_in)
        ]
        for name, points in sorted(self._plugins().items()):
            for point in points:
                others = [package(other) for other in points if other is not point]
                found.append(from_package(name, self.what, point, self._problem(point, others)))
        return [*found, *self._damaged]

    def _plugins(self) -> dict[str, list[EntryPoint]]:
        if self._scanned is None:
            points, self._damaged = scan(self.group, self.what)
            found: dict[str, list[EntryPoint]] = {}
            for point in points:
                found.setdefault(point.name, []).append(point)
            self._scanned = found
        return self._scanned

    def _problem(self, point: EntryPoint, others: list[str]) -> str:
        if point.name in self.built_in:
            return f"not used: dinv has a {self.what} of this name built in"
        if others:
            have = "has" if len(others) == 1 else "have"
            return (
                f"not used: {' and '.join(others)} {have} a {self.what} of this name, too; remove all but one"
            )
        try:
            self._load(point)
        except errors.PluginBroken as error:
            return error.reason
        return ""

    def _load(self, point: EntryPoint) -> Any:
        found, reason = attempt(point)
        if not reason:
            reason = self._unfit(point, found)
        if reason:
            error = found if isinstance(found, BaseException) else None
            of = point.dist.name if point.dist else ""
            raise errors.PluginBroken(self.what, point.name, reason, of) from error
        return found

    def _unfit(self, point: EntryPoint, found: Any) -> str:
        """Return why an object cannot be used, in words that continue "The driver NAME"; "" if it can."""
        if not (isinstance(found, type) and issubclass(found, load(self.base))):
            return f"is {point.value}, which does not derive from {self.base.replace(':', '.')}"
        missing = sorted(getattr(found, "__abstractmethods__", ()))
        if missing:
            return f"is {point.value}, which does not have what each {self.what} has: {', '.join(missing)}"
        # Records have the class's own name: by it the machine would be looked for elsewhere, or nowhere.
        called = getattr(found, "name", point.name)
        if called != point.name and point.value not in [
            other.value for other in self._plugins().get(called, []) if called not in self.built_in
        ]:
            return f'is {point.value}, which calls itself "{called}": its attribute `name` has to be the same'
        return ""


class Plugin:
    """One implementation: its name, its `kind` ("driver"), where it comes from, and why it cannot be used.

    `source` is BUILT_IN, a package and its version, or a path; `problem` is "" if it can be used. `package`,
    `version` and `entry` ("module:attribute") are "" where there is none; what is built in has dinv's
    version.
    """

    def __init__(
        self,
        name: str,
        kind: str,
        source: str,
        problem: str = "",
        *,
        package: str = "",
        version: str = "",
        entry: str = "",
    ) -> None:
        self.name = name
        self.kind = kind
        self.source = source
        self.problem = problem
        self.package = package
        self.version = version
        self.entry = entry


def from_package(name: str, kind: str, point: EntryPoint, problem: str) -> Plugin:
    """Return the Plugin of an entry point."""
    of, version = (point.dist.name or "", point.dist.version or "") if point.dist else ("", "")
    return Plugin(name, kind, package(point), problem, package=of, version=version, entry=point.value)


def scan(group: str, kind: str) -> tuple[list[EntryPoint], list[Plugin]]:
    """Return the entry points of a group; and packages whose list of them is damaged, if it names the group.

    One such package would otherwise keep all others from being found.
    """
    from importlib import metadata

    try:
        return list(metadata.entry_points(group=group)), []
    except (TypeError, ValueError):  # a line without "=", or not in UTF-8
        pass
    points: list[EntryPoint] = []
    damaged: list[Plugin] = []
    seen: set[str] = set()
    for distribution in metadata.distributions():
        name = distribution.name or ""
        if name in seen:  # one that stands earlier on the path hides it
            continue
        seen.add(name)
        try:
            points += distribution.entry_points.select(group=group)
        except (TypeError, ValueError) as error:
            if _names(distribution, group):
                source, version = _shown(distribution), distribution.version or ""
                reason = f"not used: the package's entry_points.txt is damaged: {first_line(error)}"
                damaged.append(Plugin(name, kind, source, reason, package=name, version=version))
    return points, damaged


def _names(distribution: Distribution, group: str) -> bool:
    """Return whether a damaged list of entry points has those of a group; so it has if nobody can say."""
    directory = getattr(distribution, "_path", None)  # (there is no public way to the bytes)
    try:
        return group.encode() in (directory / "entry_points.txt").read_bytes()  # type: ignore[operator]
    except (OSError, TypeError):
        return True


def attempt(point: EntryPoint) -> tuple[Any, str]:
    """Return what an entry point stands for, and ""; or the exception that loading it raised, and the reason.

    The reason is of one line, and continues the sentence that begins with its name. What the package prints
    goes to standard error: standard output may be read by a program.
    """
    import contextlib

    try:
        with contextlib.redirect_stdout(sys.stderr):
            return point.load(), ""
    except (Exception, SystemExit) as error:  # noqa: BLE001  (somebody else's package may raise anything)
        return error, f"cannot be loaded from {point.value}: {first_line(error)}"


def first_line(error: BaseException) -> str:
    """Return the kind of an error, and the first line of what it says."""
    said = str(error).strip().partition("\n")[0].strip()[:MOST_CHARACTERS]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def load(target: str) -> Any:
    """Return the object named by "module:attribute"."""
    module, _, attribute = target.partition(":")
    # importlib.import_module does the same, but importing it takes 0.6 ms.
    found = __import__(module, fromlist=[attribute])
    for name in attribute.split("."):
        found = getattr(found, name)
    return found


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
    return _shown(point.dist) if point.dist else "a package without a name"


def _shown(distribution: Distribution) -> str:
    return f"{distribution.name or 'a package without a name'} {distribution.version or ''}".rstrip()

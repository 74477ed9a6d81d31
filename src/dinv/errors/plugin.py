"""Drivers, provisioners, ... that packages bring."""

from __future__ import annotations

from dinv.errors.base import DinvError, InputError


class PluginNotFound(InputError):
    """No implementation has this name. `what` is its seam ("driver"), `known` are the existing names."""

    def __init__(self, what: str, name: str, known: list[str], group: str) -> None:
        from dinv.suggestions import did_you_mean

        meant = did_you_mean(name, known)
        self.hint = (
            f"{meant}{' ' if meant else ''}Known are: {', '.join(known)}. "
            f"Others come with Python packages that have an entry point in the group {group}."
        )
        super().__init__(f'{what.capitalize()} "{name}" not found. {self.hint}')
        self.what = what
        self.name = name
        self.known = known


class PluginBroken(DinvError):
    """An installed package has this implementation, but it cannot be used.

    `what` is its seam ("driver"), `name` its name there, `package` the distribution, or ""; `reason`
    continues the sentence that begins with these.
    """

    def __init__(self, what: str, name: str, reason: str, package: str = "") -> None:
        super().__init__(
            f'The {what} "{name}" {reason}. Repair or remove the package {package or "it comes with"}.'
        )
        self.what = what
        self.name = name
        self.reason = reason
        self.package = package


class PluginsClash(PluginBroken):
    """Several packages have an implementation of the same name. `packages` has their names and versions."""

    def __init__(self, what: str, name: str, packages: list[str]) -> None:
        of = ", ".join(packages)
        DinvError.__init__(
            self,
            f'Several packages have a {what} "{name}": {of}. It is unclear which one is meant: remove all '
            f"but one.",
        )
        self.what = what
        self.name = name
        self.reason = f"is in several packages: {of}"
        self.package = ""
        self.packages = packages

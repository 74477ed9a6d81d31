"""Names to implementations, for the four seams: a plain table first, entry points only after it.

Scanning entry points costs 20 ms and more, so what is built in never waits for it.
"""

from __future__ import annotations

from dinv.errors import PluginBroken, PluginNotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.metadata import EntryPoint
    from typing import Any


def find(name: str, *, group: str, built_in: Mapping[str, str], what: str) -> Any:
    """What `name` stands for in the entry-point group `group`.

    `built_in` maps names to "module:attribute"; `what` names the seam in messages ("driver"). Raises
    PluginNotFound, or PluginBroken when its package cannot be loaded.
    """
    if name in built_in:
        return load(built_in[name])
    plugins = _plugins(group)
    if name not in plugins:
        raise PluginNotFound(what, name, sorted({*built_in, *plugins}), group)
    try:
        return plugins[name].load()
    except Exception as error:  # whatever the import of somebody else's package raises
        distribution = plugins[name].dist
        raise PluginBroken(
            what, name, plugins[name].value, error, distribution.name if distribution else ""
        ) from error


def load(target: str) -> Any:
    """What "module:attribute" stands for."""
    module, _, attribute = target.partition(":")
    # importlib.import_module does the same, and importing it takes 0.6 ms.
    return getattr(__import__(module, fromlist=[attribute]), attribute)


def known(*, group: str, built_in: Mapping[str, str]) -> list[str]:
    """The names of all there are, built in or not, sorted."""
    return sorted({*built_in, *_plugins(group)})


def _plugins(group: str) -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=group)}

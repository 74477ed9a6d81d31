"""What `dinv cache` prints, and which options go with which of its actions."""

from __future__ import annotations

from dinv.cli.show.fitting import show as show_rows
from dinv.cli.voice import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dinv.caches.status import CacheStatus, RegistryUsage
    from dinv.cli.parser import Options
    from dinv.cli.show.formatting import Format


_FLAGS = {
    "create": ("upstream", "push", "endpoint", "endpoint_cert_path", "network", "image", "credentials"),
    "prune": ("upstream", "yes"),
    "rm": ("keep_data", "force", "yes"),
}
"""By action, the flags that it takes, besides those of all."""


def check(options: Options) -> None:
    """Raise InputError for options of another action, and for a number of caches that it does not take."""
    from dinv.errors import InputError

    action = options.action
    for flag in sorted({flag for flags in _FLAGS.values() for flag in flags}):
        if getattr(options, flag) and flag not in _FLAGS.get(action, ()):
            shown = {"yes": "-y"}.get(flag, f"--{flag.replace('_', '-')}")
            raise InputError(f"{shown} is not for cache {action}")
    if action == "create" and len(options.cache) != 1:
        raise InputError("cache create takes one name")
    if action in ("rm", "prune") and not options.cache:
        raise InputError(f"cache {action} takes the name of a cache")


def show(caches: list[CacheStatus], form: Format | None, *, quiet: bool) -> None:
    """Print caches by `form`, or their names with `quiet`, or as a table."""
    from dinv.formats.units import format_size

    if form is not None:
        form.show_all(map(_record, caches))
        return
    if quiet:
        for cache in caches:
            put(cache.name)
        return
    rows = [
        (
            cache.name,
            cache.endpoint,
            ", ".join(_with_state(registry) for registry in cache.registries),
            cache.state,
            "" if cache.size is None else format_size(cache.size),
            ", ".join(cache.machines),
            cache.error,
        )
        for cache in caches
    ]
    head = ("NAME", "ENDPOINT", "REGISTRIES", "STATE", "SIZE", "MACHINES", "ERRORS")
    show_rows(head, rows, spare=("ENDPOINT", "MACHINES", "REGISTRIES"))


def show_usage(usages: list[tuple[str, list[RegistryUsage]]], form: Format | None) -> None:
    """Print what the registries of caches have stored and served."""
    from dinv.formats.units import format_size

    if form is not None:
        form.show_all({"Cache": name, **_registry(each)} for name, usage in usages for each in usage)
        return
    rows = [
        (
            name,
            each.name,
            each.state,
            format_size(each.size),
            str(each.requests) if each.upstream else "",
            str(each.hits) if each.upstream else "",
            format_size(each.pulled) if each.upstream else "",
        )
        for name, usage in usages
        for each in usage
    ]
    head = ("CACHE", "REGISTRY", "STATE", "SIZE", "REQUESTS", "HITS", "PULLED")
    show_rows(head, rows, spare=("REQUESTS",))


def _with_state(registry: RegistryUsage) -> str:
    """Return a registry's name, with its state if that is not the usual one."""
    return registry.name if registry.state in ("", "online") else f"{registry.name} ({registry.state})"


def _record(cache: CacheStatus) -> dict[str, Any]:
    return {
        "Name": cache.name,
        "Endpoint": cache.endpoint,
        "Host": cache.host,
        "State": cache.state,
        "Size": cache.size,
        "Machines": list(cache.machines),
        "Registries": [_registry(each) for each in cache.registries],
        "Error": cache.error,
    }


def _registry(registry: RegistryUsage) -> dict[str, Any]:
    return {
        "Registry": registry.name,
        "Upstream": registry.upstream,
        "Address": registry.address,
        "State": registry.state,
        "Size": registry.size,
        "Requests": registry.requests,
        "Hits": registry.hits,
        "Pulled": registry.pulled,
    }

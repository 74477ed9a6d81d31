"""Changing a machine that exists: which of its settings, and whether its container can be updated."""

from __future__ import annotations

from dinv.drivers.alteration import Alteration, Difference
from dinv.drivers.docker import containers, flags
from dinv.drivers.docker.containers import CHANGE_SECONDS
from dinv.drivers.docker.network import ports, republishing
from dinv.errors import DinvError, EngineError, MachineError, NotFound, OptionError
from dinv.formats import host_port
from dinv.formats.units import format_size
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from dinv.drivers.docker.site import Site
    from dinv.progress import Progress

_LIMITS = ("CPUs", "Memory")
_PUBLISHED = ("PublishAddress", "Port", "PortChosen", "Host")
_CHANGEABLE = (*_LIMITS, "DNS", "Labels", *_PUBLISHED, "PublishPorts")
"""The keys of a machine's config that can be changed."""


class ContainerAlteration(Alteration):
    """A container's limits by an update, if its endpoint can; the rest by a new container."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def changes(self, values: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
        site, kept = self._site, self._site.config.driver
        if not values:
            return {}
        wanted: dict[str, Any] = {
            **kept,
            "DNS": list(kept.get("DNS") or ()),
            "PublishPorts": [dict(port) for port in kept.get("PublishPorts") or ()],
        }
        if "cpus" in values:
            wanted["CPUs"] = flags.parse_cpus(values["cpus"] or None)
        if "memory" in values:
            wanted["Memory"] = flags.parse_memory(values["memory"] or None)
        for note in site.flavour.settle(wanted):
            progress.note(note)
        wanted["DNS"] = _list(wanted["DNS"], values, "dns", flags.parse_dns)
        wanted["Labels"] = self._labels(values)
        self._publish(wanted, values)
        return {key: wanted[key] for key in _CHANGEABLE if key in wanted and wanted[key] != _of(kept, key)}

    def _labels(self, values: Mapping[str, Any]) -> dict[str, str]:
        found = dict(self._site.config.driver.get("Labels") or {})
        for name in values.get("label_rm") or ():
            if name not in found:
                raise OptionError("is not a label of the machine", option="label-rm", value=name)
            del found[name]
        found.update(flags.parse_label(text) for text in values.get("label") or ())
        return found

    def _publish(self, wanted: dict[str, Any], values: Mapping[str, Any]) -> None:
        site, kept = self._site, self._site.config.driver
        added, removed = values.get("publish_ports") or (), values.get("publish_ports_rm") or ()
        if not (added or removed or "publish" in values):
            return
        wanted["PublishPorts"] = republishing.changed_ports(wanted["PublishPorts"], added, removed)
        if "publish" in values:
            text = values["publish"]
            if not kept["Published"] or text == "none":
                raise OptionError(
                    "cannot be had: whether a machine is reached at a published port or at its own "
                    "address is decided when it is made",
                    option="publish",
                    value=text,
                )
            wanted["PublishAddress"], port = flags.parse_publish(text)
            wanted.update(Port=port or kept["Port"], PortChosen=bool(port) or bool(kept.get("PortChosen")))
            ports.settle_address(site, wanted)
        republishing.settle(site, wanted)

    def differences(self, changes: Mapping[str, Any]) -> list[Difference]:
        before, after = self._site.config.driver, {**self._site.config.driver, **changes}
        shown: dict[str, tuple[tuple[str, ...], Callable[[Mapping[str, Any]], str | list[str]]]] = {
            "cpus": (("CPUs",), _cpus),
            "memory": (("Memory",), _memory),
            "dns": (("DNS",), _dns),
            "label": (("Labels",), _labels),
            "publish": (_PUBLISHED, _published),
            "publish-ports": (("PublishPorts",), _ports),
        }
        return [
            Difference(name, show(before), show(after), keys)
            for name, (keys, show) in shown.items()
            if any(key in changes for key in keys)
        ]

    def updates(self, changes: Mapping[str, Any]) -> bool:
        # The call leaves a limit that is 0 as it is, so one cannot be taken away by it.
        return self._site.flavour.updates_limits and all(
            key in _LIMITS and value for key, value in changes.items()
        )

    def check(self, changes: Mapping[str, Any]) -> None:
        limit = changes.get("Memory")
        if not limit:
            return
        try:
            stats = self._site.engine.containers.stats(self._site.container)
        except (DinvError, OSError):
            return  # then the kernel decides
        used = _used(stats.get("memory_stats") or {})
        if used > limit:
            name = self._site.config.name
            raise MachineError(
                name,
                f'Machine "{name}" uses {format_size(used)} of memory now. With '
                + option("memory", format_size(limit).replace(" ", ""))
                + " the kernel would kill processes in it. Stop containers in it first, or give it more.",
            )

    def update(self, values: Mapping[str, Any]) -> None:
        site = self._site
        limits = {key: values[key] for key in _LIMITS if key in values}
        identity = containers.own_id(site, site.container)
        if not identity:
            raise containers.gone(site)
        try:
            warnings = site.engine.containers.update(
                identity, site.flavour.limits_body(limits), timeout=CHANGE_SECONDS
            )
        except EngineError as error:
            raise self._refused(error.message) from error
        if not self.has(limits):
            raise self._refused(" ".join(warnings) or "it reports the old limits after the call")

    def _refused(self, why: str) -> MachineError:
        name = self._site.config.name
        return MachineError(
            name, f'{self._site.endpoint} does not change the limits of machine "{name}": {why}'
        )

    def has(self, values: Mapping[str, Any]) -> bool:
        site = self._site
        try:
            found = site.flavour.limits(site.engine.containers.inspect(site.container))
        except NotFound:
            return False
        return all(round(found[key], 9) == round(values[key], 9) for key in _LIMITS if key in values)


def _of(kept: Mapping[str, Any], key: str) -> Any:
    """Return a value of a machine's config; one that was recorded by an earlier dinv may lack some lists."""
    return kept.get(key) if key not in ("DNS", "PublishPorts") else kept.get(key) or []


def _list(found: list[str], values: Mapping[str, Any], name: str, parse: Any) -> list[str]:
    """Return a list with what was added and without what was taken away. Raises OptionError."""
    for text in values.get(f"{name}_rm") or ():
        if parse(text) not in found:
            raise OptionError("is not one of the machine's", option=f"{name}-rm", value=text)
        found.remove(parse(text))
    return found + [new for new in map(parse, values.get(name) or ()) if new not in found]


def _used(stats: Mapping[str, Any]) -> int:
    """Return the bytes in use that the kernel cannot take back, as the docker CLI counts them.

    (docker/cli: command/container/stats_helpers.go.)
    """
    details = stats.get("stats") or {}
    cached = details.get("total_inactive_file", details.get("inactive_file", 0))
    return max(0, int(stats.get("usage") or 0) - int(cached or 0))


def _cpus(kept: Mapping[str, Any]) -> str:
    return f"{kept['CPUs']:g}" if kept["CPUs"] else ""


def _memory(kept: Mapping[str, Any]) -> str:
    return format_size(kept["Memory"]) if kept["Memory"] else ""


def _dns(kept: Mapping[str, Any]) -> list[str]:
    return list(kept.get("DNS") or ())


def _labels(kept: Mapping[str, Any]) -> list[str]:
    return [f"{key}={value}" for key, value in (kept.get("Labels") or {}).items()]


def _published(kept: Mapping[str, Any]) -> str:
    return str(host_port.join(kept["PublishAddress"] or "0.0.0.0", kept["Port"]))  # noqa: S104  (said, never bound)


def _ports(kept: Mapping[str, Any]) -> list[str]:
    return [
        (f"{host_port.bracketed(port['Address'])}:" if port["Address"] else "")
        + f"{port['Port']}:{port['MachinePort']}/{port['Protocol']}"
        for port in kept.get("PublishPorts") or ()
    ]

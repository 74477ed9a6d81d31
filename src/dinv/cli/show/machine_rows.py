"""Machines as `ls` prints them: the cells of its table, documents, and the fields for templates."""

from __future__ import annotations

from dinv.states import TIMEOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from dinv.listing.status import MachineStatus

    Called = Callable[[str], str]

COLUMNS = ("NAME", "ACTIVE", "DRIVER", "STATE", "URL", "SWARM", "DOCKER", "ERRORS")


def cells(machine: MachineStatus, called: Called = str) -> tuple[str, ...]:
    """Return the row under COLUMNS; `called` rewords texts that name commands, as Voice.called does."""
    active = "*" if machine.active else "* (swarm)" if machine.active_swarm else "-"
    if machine.config is None or machine.state == TIMEOUT:
        active = ""
    version = f"v{machine.docker_version}" if machine.running and machine.docker_version else "Unknown"
    return (
        machine.name,
        active,
        machine.driver,
        machine.state,
        machine.url if machine.running or machine.shows_last_url else "",
        machine.swarm,
        version if machine.config is not None else "",
        " ".join(called(machine.error).split()),
    )


def table(machines: Sequence[MachineStatus], called: Called = str) -> tuple[list[str], list[list[str]]]:
    """Return the heads of the columns and the rows; with a column EXPIRES if a machine has a lease."""
    heads, rows = list(COLUMNS), [list(cells(machine, called)) for machine in machines]
    ends = [_ends(machine) for machine in machines]
    if any(ends):
        heads.insert(-1, "EXPIRES")
        for row, end in zip(rows, ends, strict=True):
            row.insert(-1, end)
    return heads, rows


def _ends(machine: MachineStatus) -> str:
    lease = machine.config.lease if machine.config is not None else None
    if lease is None:
        return ""
    import time

    from dinv.states import STOPPED

    return lease.about(time.time(), stopped=machine.state == STOPPED)


def colours(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> dict[str, dict[str, str]]:
    """Return the colours of cells, by column and text: of states, and of ends that are near or were."""
    from dinv import states

    found = {
        "STATE": {
            **dict.fromkeys((states.PAUSED, states.SAVED, states.STARTING, states.STOPPING), "yellow"),
            **dict.fromkeys((states.ERROR, states.TIMEOUT), "red"),
            states.RUNNING: "green",
            states.STOPPED: "dim",
        }
    }
    if "EXPIRES" in heads:
        ends = {row[heads.index("EXPIRES")] for row in rows}
        found["EXPIRES"] = {
            end: "red" if end.startswith("over") else "yellow" for end in ends if end.endswith("!")
        }
    return found


def document(machine: MachineStatus, called: Called = str) -> dict[str, Any]:
    """Return what `ls --format json` prints."""
    from dinv.cli.show import records

    config = machine.config
    return {
        **(records.known(config) if config is not None else dict.fromkeys(records.KNOWN, "")),
        "Name": machine.name,
        "Active": machine.active,
        "DriverName": machine.driver,
        "State": machine.state,
        "Error": called(machine.error),
        **_expiry(machine),
        **_membership(machine),
        "Expires": config.lease.expires if config is not None and config.lease is not None else "",
    }


def fields(machine: MachineStatus, called: Called = str) -> dict[str, Any]:
    """Return the fields of templates for rows; docker-machine's are as its table shows them."""
    _, active, _, _, url, swarm, docker, error = cells(machine, called)
    config = machine.config
    return {
        **document(machine, called),
        "Active": active,
        "ActiveHost": machine.active,
        "ActiveSwarm": machine.active_swarm,
        "URL": url,
        "SwarmOptions": config.swarm_options if config is not None else None,
        "Swarm": swarm,
        "EngineOptions": config.engine_options if config is not None else None,
        "Error": error,
        "DockerVersion": docker,
        "ResponseTime": _duration(machine.seconds),
    }


def _expiry(machine: MachineStatus) -> dict[str, Any]:
    from dinv.cli.show import records

    found = machine.certificates
    return records.expiry(found) if found is not None else dict.fromkeys(records.EXPIRY, "")


def _membership(machine: MachineStatus) -> dict[str, str]:
    """Return what its cluster says of it; "" for what is not known, and of a machine that is in none."""
    found = machine.standing
    return {
        "Cluster": found.cluster if found is not None else "",
        "ClusterRole": found.role if found is not None else "",
        "ClusterState": found.state if found is not None else "",
    }


def _duration(seconds: float) -> str:
    """Format as Go's time.Duration prints itself, to a millisecond: 51ms, 1.5s."""
    milliseconds = round(seconds * 1000)
    if not milliseconds:
        return "0s"
    return f"{milliseconds}ms" if milliseconds < 1000 else f"{milliseconds / 1000:.10g}s"

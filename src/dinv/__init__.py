"""Private Docker hosts on a Docker API endpoint you already have: the public API.

    import dinv

    machines = dinv.open()                       # the user's store, as the command line uses it
    machine = machines.create("dev", memory="2g")
    machine.run(["docker", "info"], check=True)
    with machines.temporary() as machine:        # removed at the end, whatever happens
        client = docker.DockerClient(**machine.docker_kwargs())

These names, what their methods return, and the errors in `dinv.errors` are the public API; everything else in
the package is subject to change. docs/library.md has examples by task. Names are loaded when they are first
used: importing dinv costs nothing until then.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dinv.access.command import Completed
    from dinv.errors import DinvError
    from dinv.listing.status import MachineStatus
    from dinv.machine import Machine
    from dinv.machines import Machines
    from dinv.machines import open_machines as open
    from dinv.progress import Progress

__all__ = [
    "Completed",
    "DinvError",
    "Machine",
    "MachineStatus",
    "Machines",
    "Progress",
    "__version__",
    "open",
]

__version__ = "0.1.0"

_HOMES = {
    "Completed": ("dinv.access.command", "Completed"),
    "DinvError": ("dinv.errors", "DinvError"),
    "Machine": ("dinv.machine", "Machine"),
    "MachineStatus": ("dinv.listing.status", "MachineStatus"),
    "Machines": ("dinv.machines", "Machines"),
    "Progress": ("dinv.progress", "Progress"),
    "open": ("dinv.machines", "open_machines"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(__import__(module, fromlist=[attribute]), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)

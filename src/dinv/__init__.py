"""Private Docker hosts on a Docker API endpoint you already have: the public API.

    import dinv

    machines = dinv.open()                       # the user's store, as the command line uses it
    machine = machines.create("dev", memory="2g")
    with machines.temporary() as machine:        # removed at the end, whatever happens
        client = docker.DockerClient(**machine.docker_kwargs())

Everything else in the package is subject to change. Names are loaded when they are first used: importing
dinv costs nothing until then.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dinv.errors import DinvError
    from dinv.machine import Machine
    from dinv.machines import Machines, open  # noqa: A004  (dinv.open reads as gzip.open does)
    from dinv.progress import Progress

__all__ = ["DinvError", "Machine", "Machines", "Progress", "__version__", "open"]

__version__ = "0.1.0"

_HOMES = {
    "DinvError": "dinv.errors",
    "Machine": "dinv.machine",
    "Machines": "dinv.machines",
    "Progress": "dinv.progress",
    "open": "dinv.machines",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)

"""A VCH simulator: a vSphere Integrated Containers Virtual Container Host, without vSphere.

    from dinv.testing.vch import VchSimulator

    with VchSimulator(engine="unix:///var/run/docker.sock") as vch:
        ...                              # vch.address, vch.folder, vch.env_file
    assert not vch.calls.unimplemented

It stands in front of a Docker Engine, on which its containers run, and answers as a VCH of VIC 1.1, 1.2 or
1.5 does: what it says of itself, what it does not implement, which fields it passes over in silence, how
volumes, ports and networks behave, and, on demand, what goes wrong now and then. From the command line:
`python -m dinv.testing.vch --help`. What is simulated, and what only on paper: docs/vch-simulator.md.

The way of a call, top to bottom, a file each:

    server     the port: TCP, TLS, a thread for each connection; wire: HTTP, the server's side
    routes     versions, which operation a path is, errors; versions: which of them VIC has
    faults     what goes wrong on demand; portlayer: what VIC says of it; calls: what was asked
    bodies     JSON, read as strictly as Go reads it
    create     from a create call to a container (fields: what of it counts)
    power      start, stop, kill, rename, remove; guest: logs, exec, attach; views: inspect and ps
    archives   docker cp, with filterspec for what is read and unpack for what is written
    volumes networks ports images system    the rest, by what it is about
    state      what the VCH knows; behind: the engine behind
    simulator  VchSimulator, which puts it together; settings; folder: what vic-machine leaves
"""

from __future__ import annotations

from dinv.testing.vch.faults import Faults
from dinv.testing.vch.log import Call, Calls
from dinv.testing.vch.rules.errors import VicError
from dinv.testing.vch.settings import ContainerNetwork
from dinv.testing.vch.simulator import VchSimulator, remove_leftovers

__all__ = [
    "Call",
    "Calls",
    "ContainerNetwork",
    "Faults",
    "VchSimulator",
    "VicError",
    "remove_leftovers",
]

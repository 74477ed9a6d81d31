"""docker-machine's --swarm-* flags as options, hidden in help: see `dinv.provisioners.classic_swarm`."""

from __future__ import annotations

from dinv.declaration import SWITCH, Option

OPTIONS = (
    Option("swarm", "", "the machine is a member", type=SWITCH, hidden=True),
    Option("swarm-master", "", "the machine is the master", type=SWITCH, hidden=True),
    Option("swarm-experimental", "", "with what is experimental", type=SWITCH, hidden=True),
    Option("swarm-image", "MACHINE_SWARM_IMAGE", "image of the swarm", hidden=True),
    Option("swarm-discovery", "", "where its members find each other, a URL", hidden=True),
    Option("swarm-strategy", "", "where containers go", hidden=True),
    Option("swarm-host", "", "where its master listens, a URL", hidden=True),
    Option("swarm-addr", "", "the address that the others are told", hidden=True),
    Option("swarm-opt", "", "flag of the master", repeatable=True, hidden=True),
    Option("swarm-join-opt", "", "flag of a member", repeatable=True, hidden=True),
)

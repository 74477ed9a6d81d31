"""What `env` sets and unsets.

It runs in shell profiles: a machine that does not answer costs a second at most. If it refuses connections it
is not running, and nothing is set; if it does not answer in time, the last known values are set, with a
warning.
"""

from __future__ import annotations

import os

from dinv.errors import DinvError
from dinv.shells import syntax
from dinv.wording import joined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from dinv.machine import Machine
    from dinv.machines import Machines

VARIABLES = ("DOCKER_TLS_VERIFY", "DOCKER_HOST", "DOCKER_CERT_PATH", "DOCKER_MACHINE_NAME")
OF_SOME = ("KUBECONFIG",)
"""Variables that only some provisioners' machines have. Their values are paths in the machine's directory."""
FURTHER = "DINV_MACHINE_VARIABLES"
"""The variable with the names of all others that were set for a machine, comma-separated: a plugin's own."""


def setting(
    machine: Machine, *, no_proxy: bool = False, swarm: bool = False, environ: Mapping[str, str] = os.environ
) -> tuple[dict[str, str | None], str]:
    """Return the variables for a machine; and a warning or "".

    With `swarm`, those for a manager of its swarm that answers, or for the classic swarm that it is the
    master of. Raises MachineNotRunning, MachineUnusable, ClusterError, NoSwarm.
    """
    if swarm and (manager := machine.controller()) is not None:
        return setting(manager, no_proxy=no_proxy, environ=environ)
    machine.check_files()
    machines = os.path.dirname(machine.directory)
    variables: dict[str, str | None] = {**_of_another(machines, environ), **machine.environment()}
    further = [key for key in machine.environment() if key not in VARIABLES and key not in OF_SOME]
    if further:
        variables[FURTHER] = ",".join(further)
    if not machine.has_tls:
        # Another machine's variables would make the docker CLI use TLS with this one.
        variables = {**dict.fromkeys(VARIABLES), **variables}
    if swarm:
        variables["DOCKER_HOST"] = machine.swarm_url()
    if no_proxy:
        address = machine.known_ip()
        for key, entries in syntax.no_proxy(environ).items():
            variables[key] = ",".join(dict.fromkeys([*entries, address]))
    return variables, joined("\n", (machine.look(), _expiry(machine)))


def _of_another(machines: str, environ: Mapping[str, str]) -> dict[str, str | None]:
    """Return the variables, to be unset, that were set for a machine: a user's own stay.

    Those of OF_SOME are by what they lead to, since users have others. Names that are none are left out: what
    is returned is evaluated by a shell.
    """
    within = os.path.join(machines, "")
    found: dict[str, str | None] = {key: None for key in OF_SOME if environ.get(key, "").startswith(within)}
    if FURTHER in environ:
        for key in environ[FURTHER].split(","):
            if key.isascii() and key.isidentifier() and key not in OF_SOME:
                found[key] = None
        found[FURTHER] = None
    return found


def _expiry(machine: Machine) -> str:
    said = machine.tend()
    return f'machine "{machine.name}": ' + said if said else ""


def unsetting(
    machines: Machines, *, no_proxy: bool = False, environ: Mapping[str, str] = os.environ
) -> dict[str, str | None]:
    """Return the variables to unset; with `no_proxy` the machine's exception is removed from the proxies'."""
    import contextlib

    variables: dict[str, str | None] = dict.fromkeys(VARIABLES)
    variables |= _of_another(os.path.join(machines.path, "machines"), environ)
    if no_proxy:
        address = ""
        # Whatever became of the machine, its variables must be unset.
        with contextlib.suppress(DinvError):
            address = machines.get(environ.get("DOCKER_MACHINE_NAME", "")).ip
        for key, entries in syntax.no_proxy(environ).items():
            variables[key] = ",".join(entry for entry in entries if entry != address) or None
    return variables

"""Which machine the docker CLI uses on this computer."""

from __future__ import annotations

import os

from dinv.errors import DeadlineExceeded, DinvError
from dinv.listing import records
from dinv.listing.status import known_url, swarm_url
from dinv.states import RUNNING, TIMEOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dinv.store.record import MachineConfig
    from dinv.store.store import Store

    Trace = Callable[[str], None] | None


def docker_host_in_use(environ: Mapping[str, str] = os.environ) -> str:
    """Return the URL that the docker CLI uses: from DOCKER_HOST, else from its context; "" if neither is set.

    As in docker-machine, DOCKER_HOST takes precedence. The context is $DOCKER_CONTEXT or the current one
    (`dinv use`); an unreadable context is ignored.
    """
    if environ.get("DOCKER_HOST"):
        return environ["DOCKER_HOST"]
    from dinv.endpoints import contexts

    name = environ.get("DOCKER_CONTEXT") or contexts.current()
    if name == contexts.DEFAULT:
        return ""
    try:
        context = contexts.read(name)
    except DinvError:
        return ""
    return context.host if context is not None else ""


def active(
    store: Store, *, timeout: float, trace: Trace = None, environ: Mapping[str, str] = os.environ
) -> MachineConfig | None:
    """Return the record of the running machine that the docker CLI uses, or None.

    The master of the classic swarm that the CLI uses counts, too. `timeout` in seconds. Raises
    DeadlineExceeded, or another DinvError if the endpoint cannot be asked.
    """
    docker_host = docker_host_in_use(environ)
    if not docker_host:
        return None
    from dinv import drivers

    configs = [
        config for config in records.load(store)[0].values() if config is not None and not config.unfinished
    ]
    meant = [config for config in configs if known_url(config) == docker_host]
    meant += [config for config in configs if config not in meant and swarm_url(config) == docker_host]
    for config in meant:
        name = config.name
        try:
            status = drivers.of(config).states([config], store, timeout=timeout, trace=trace)[name]
        except DeadlineExceeded as error:
            raise DeadlineExceeded(f'Asking whether machine "{name}" runs', timeout) from error
        if status.state == TIMEOUT:
            raise DeadlineExceeded(f'Asking whether machine "{name}" runs', timeout)
        if status.state == RUNNING:
            return config
    return None

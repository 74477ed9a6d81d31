"""Which machine the docker CLI uses here."""

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
    """The URL that the docker CLI uses here: DOCKER_HOST's, else its context's; "" where it has neither.

    As docker-machine has it, DOCKER_HOST is what counts where it is set. The context is $DOCKER_CONTEXT or
    the current one (`dinv use`); one that cannot be read is none.
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
    """The record of the running machine that the docker CLI uses here; None where there is none.

    The master of the legacy swarm that it uses is one, too. Raises DeadlineExceeded, DinvError when it cannot
    be asked.
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

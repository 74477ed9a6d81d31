"""Forward ports of this computer to a machine, in this process or in the background."""

from __future__ import annotations

import contextlib

from dinv.access import background_forwards
from dinv.access.forward import Forward, check, listening, serve
from dinv.errors import DinvError, InputError
from dinv.progress import Progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dinv.lifecycle.host import Host
    from dinv.lifecycle.hosts import Hosts


def forward(
    host: Host,
    hosts: Hosts,
    ports: Sequence[str],
    progress: Progress,
    *,
    detach: bool,
    wanted: Callable[[], bool],
) -> int:
    """See `Machine.forward`. `hosts` opens the machine again for each connection."""
    if not ports:
        raise InputError("Name the ports to forward, such as 8080 or 8080:80")
    wishes = [Forward.parse(port) for port in ports]
    with hosts.get(host.name) as machine:
        check(machine)
    name, directory, identity = host.name, host.directory, host.config.identity

    def there() -> bool:
        # A new machine under the same name is not the one that was asked for.
        with contextlib.suppress(DinvError):
            return hosts.store.load(name).identity == identity
        return False

    with listening(wishes) as listeners:
        pid = 0
        if detach:
            pid = background_forwards.detach(
                directory,
                listeners,
                lambda recorded: serve(
                    lambda: hosts.get(name), listeners, Progress(), wanted=lambda: recorded() and there()
                ),
            )
        for listener in listeners:
            progress.line("Forward", str(listener.forward), f"process {pid}" if pid else "Ctrl-C ends it")
        if not pid:
            serve(lambda: hosts.get(name), listeners, progress, wanted=lambda: wanted() and there())
    return pid

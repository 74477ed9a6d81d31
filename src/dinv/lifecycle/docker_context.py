"""What `dinv use` needs: a docker context with the machine's name and address."""

from __future__ import annotations

from dinv.endpoints import contexts
from dinv.errors import NotSupported
from dinv.lifecycle.changing import changing
from dinv.lifecycle.host import context
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.lifecycle.host import Host


def ensure_context(host: Host) -> None:
    """Make sure that there is a docker context of its name and for its address.

    Raises NotSupported for a machine that cannot have one, ContextError, MachineBusy.
    """
    host.finish_certificates()
    there = contexts.read(host.name)
    if there is not None and there.host == host.url and (host.has_context or not there.owner):
        return
    own_keys = host.driver.provisioned or host.driver.remote() is not None
    if not host.has_tls or not own_keys:
        raise NotSupported(
            host.name,
            f'Machine "{host.name}" has no docker context: its daemon is reached without TLS, or by keys '
            "that are not dinv's to copy. Use it by its environment: eval $("
            + command("env", host.name)
            + ")",
        )
    with changing(host, "writing its docker context"):
        context.put(host.config)
        host.config.context = host.name
        host.store.save(host.config)

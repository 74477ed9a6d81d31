"""A machine's docker context: written by what changes the machine, and created if it has none yet."""

from __future__ import annotations

import contextlib

from dinv.endpoints import contexts
from dinv.errors import ContextError, NotSupported
from dinv.lifecycle.changing import changing
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from dinv.lifecycle.host import Host
    from dinv.progress import Progress


def write(host: Host, progress: Progress, *, had_one: bool = False) -> None:
    """Write the machine's context, if it is to have one; warn if that fails.

    `had_one` as in `or_none`.
    """
    if host.has_context:
        with or_none(host, progress, had_one=had_one):
            host.write_context()


def write_first(host: Host, progress: Progress) -> None:
    """Give it its first context; that is recorded before it exists, so that a removal finds it."""
    host.config.context = host.name
    host.store.save(host.config)
    write(host, progress)


@contextlib.contextmanager
def or_none(host: Host, progress: Progress, *, had_one: bool = False) -> Iterator[None]:
    """Go on without a context if one cannot be read or written, with a warning.

    The record, which the caller saves, then says that the machine has none. If it `had_one`, which may still
    exist, the record keeps saying so, so that a removal finds it.
    """
    try:
        yield
    except ContextError as error:
        progress.warn("No docker context: " + error.text)
        if not had_one:
            host.config.context = ""


def ensure_context(host: Host) -> None:
    """Make sure that there is a docker context of its name and for its address.

    Raises NotSupported for a machine that cannot have one, ContextError, MachineBusy.
    """
    host.finish_certificates()
    context = contexts.read(host.name)
    if context is not None and context.host == host.url and (host.has_context or not context.owner):
        return
    if not host.has_tls or not host.driver.provisioned:
        raise NotSupported(
            host.name,
            f'Machine "{host.name}" has no docker context: its daemon is reached without TLS, or by keys '
            "that are not dinv's to copy. Use it by its environment: eval $("
            + command("env", host.name)
            + ")",
        )
    with changing(host, "writing its docker context"):
        host.write_context()
        host.config.context = host.name
        host.store.save(host.config)

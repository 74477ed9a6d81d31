"""Provisioning: everything that dinv puts into a machine is put in again, and it serves afterwards.

That finishes a create that was killed, and repairs a machine that has lost files. It makes nothing that has
to be undone: after a kill the next `provision` starts over.
"""

from __future__ import annotations

from dinv.errors import MachineUnfinished, NotSupported
from dinv.lifecycle.changing import settle
from dinv.lifecycle.host import certificates, cluster, context, telling
from dinv.lifecycle.host.serving import give_cache, serve
from dinv.lifecycle.opening import opened
from dinv.lifecycle.renew import resume
from dinv.lifecycle.renew.at_start import renew_stopped
from dinv.lifecycle.renew.renewal import missing
from dinv.states import ERROR, RUNNING
from dinv.store.record import READY
from dinv.timeouts import SERVE_SECONDS, STATE_SECONDS, STOP_SECONDS
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.lifecycle.host import Host
    from dinv.progress import Progress
    from dinv.store.store import Store


def provision(
    store: Store,
    name: str,
    progress: Progress,
    *,
    timeout: float = SERVE_SECONDS,
    force_new_cluster: bool = False,
    cluster_image: str = "",
    trace: Callable[[str], None] | None = None,
) -> None:
    """Put everything into a machine again, and check that it serves; start it if need be.

    That finishes a create that was killed after it had made its container, and repairs a machine whose
    files were lost, there or in the store. With `force_new_cluster` a member of a cluster that has lost its
    quorum makes a new one of itself, with all that the old one had; `cluster_image` is an installer, to whose
    version what makes the cluster is upgraded. Raises MachineUnfinished if there is too little to finish,
    NotSupported without a cluster, ClusterError.
    """
    with opened(store, name, "provisioning it", trace) as machine:
        # Before anything that starts it: the old cluster is not asked for work.
        machine.cluster_lost = force_new_cluster
        settle(machine, progress, timeout=timeout)
        if (force_new_cluster or cluster_image) and not machine.config.membership:
            raise NotSupported(name, f'Machine "{name}" is not part of a cluster.')
        state = machine.driver.state(timeout=STATE_SECONDS).state
        if state == ERROR:
            raise MachineUnfinished(
                name,
                f'Machine "{name}" has no container to provision. Create it again: '
                + command("rm", name)
                + ", then "
                + command("create", name, "..."),
            )
        give_cache(machine, progress)
        if machine.config.unfinished:
            state = _begin_again(machine, progress, state)
        if state == RUNNING:
            machine.driver.refresh_address()
            resume(machine, progress, timeout=timeout, options=True)
        else:
            _start(machine, progress, timeout)
        membership = machine.provisioner.membership()
        if membership is not None:
            if force_new_cluster:
                membership.recover(progress, timeout=timeout)
                machine.cluster_lost = False
            membership.join(progress, timeout=timeout)
            if force_new_cluster:
                cluster.resume(machine, progress, timeout=timeout)
            if cluster_image:
                membership.upgrade(cluster_image, progress)
        # The context must match what it has now, even if there is an old one, or none.
        context.write(machine.config, progress, had_one=not machine.config.unfinished)
        machine.config.phase = READY
        machine.config.step = ""
        store.save(machine.config)
    # Without the lock: a hook may well begin to use the machine.
    telling.tell(machine, "provisioned", progress, command="provision")
    telling.tell(machine, "ready", progress, command="provision")


def _begin_again(machine: Host, progress: Progress, state: str) -> str:
    """Do what a create does before it starts its machine; return the machine's state after that."""
    machine.use_contract(machine.driver.prepare(progress))
    certificates.issue(machine, progress=progress)
    if state != RUNNING:
        return state
    # It may still be waiting for its first certificates: begin at the beginning.
    machine.driver.stop(timeout=STOP_SECONDS)
    return machine.driver.state(timeout=STATE_SECONDS).state


def _start(machine: Host, progress: Progress, timeout: float) -> None:
    if missing(machine):
        certificates.issue(machine, progress=progress)
    renew_stopped(machine, progress)
    machine.provisioner.provision()
    with progress.working("Machine", f"starting {machine.name}"):
        machine.driver.start(timeout=timeout)
    serve(machine, progress, timeout=timeout)
    if certificates.renewing(machine):
        resume(machine, progress, timeout=timeout)

"""What follows every start of a machine: its address, its daemon, its record."""

from __future__ import annotations

from dinv.lifecycle.host import certificates, cluster, context, telling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.lifecycle.host import Host
    from dinv.progress import Progress


def give_cache(host: Host, progress: Progress) -> None:
    """Bring what a machine has of its registry cache up to date in the store, before its files go in."""
    if host.config.registry_cache:
        from dinv.lifecycle.host import registry_cache

        why = registry_cache.give(host)
        if why:
            progress.warn(why)


def serve(host: Host, progress: Progress, *, timeout: float) -> None:
    """After a start: follow an address that has changed, wait for the daemon, record its version.

    `timeout`, in seconds, is for the daemon to answer. The caller must hold the machine's lock.
    """
    for note in host.driver.notes:
        progress.note(note)
    host.driver.notes.clear()
    if not host.driver.provisioned:
        # What looks after it says when it serves, and where.
        moved = host.driver.refresh_address()
        host.config.stopped = False
        host.store.save(host.config)
        if moved:
            progress.note(f"The address has changed to {host.url}")
            context.write(host.config, progress, had_one=True)
        return
    if host.driver.refresh_address():
        # Its certificate is for the old address: docker-machine's users know this as #531.
        progress.note(f"The address has changed to {host.url}: new certificates")
        certificates.issue(host, progress=progress)
        host.provisioner.provision()
        host.provisioner.activate_certificates(starting=True)
        if host.has_context:
            context.put(host.config)
    elif host.driver.port_moves and host.has_context:
        context.put(host.config)
    certificates.show_remarks(host, progress)
    with progress.working("Docker", f"starting at {host.url}"):
        version = host.provisioner.health(timeout=timeout, progress=progress)
    progress.line("Docker", f"{version} ready at {host.url}")
    host.config.docker_version = version
    host.config.stopped = False
    host.config.revoking = False  # what it has to refuse was put in before it was started, or with its files
    host.store.save(host.config)
    cluster.resume(host, progress, timeout=timeout)
    telling.revoked(host, progress)
    telling.near_expiry(host, progress)

"""The checks before anything is made, all at once, so that nothing has to be undone."""

from __future__ import annotations

from dinv.drivers.docker import containers, volumes
from dinv.drivers.docker.containers import CHANGE_SECONDS
from dinv.drivers.docker.creation import specification
from dinv.drivers.docker.network import own_address, ports
from dinv.errors import BadRequest, DinvError, NotFound, PreCreateCheckFailed, ServerError
from dinv.labels import LABEL, LABEL_ID, LABEL_PORT, LABEL_ROLE
from dinv.system.deadline import Deadline
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from dinv.drivers.docker.site import Site
    from dinv.progress import Progress

MOST_OUTPUT = 64 * 1024
"""Bytes that are kept of what a command that is tried out says."""


def check(site: Site, progress: Progress) -> None:
    """Check that the endpoint can have the machine, and decide what the user left open.

    Raises PreCreateCheckFailed, and the errors of reaching an endpoint.
    """
    kept = site.config.driver
    flavour = site.flavour
    progress.line("Endpoint", f"{_shown(site)} ({flavour.title} {flavour.version})")
    for note in flavour.settle(kept):
        progress.note(note)
    kept["Flavour"] = flavour.name
    _container_name(site)
    _cache_volume(site)
    _network(site)
    own_address.settle(site)
    ports.settle(site)
    ports.choose(site)
    site.settle_address()


def _shown(site: Site) -> str:
    endpoint = site.endpoint
    return f"{endpoint} (context {endpoint.context})" if endpoint.context else str(endpoint)


def _container_name(site: Site) -> None:
    try:
        found = site.engine.containers.inspect(site.container)
    except NotFound:
        return
    labels = (found.get("Config") or {}).get("Labels") or {}
    whose = "a machine of another store" if LABEL in labels else "not a machine of dinv"
    raise PreCreateCheckFailed(
        f"{site.endpoint} has a container {site.container} already ({whose}). "
        f"Choose another machine name, or remove it: docker rm -f {site.container}"
    )


def _cache_volume(site: Site) -> None:
    kept, volume = site.config.driver, site.cache_volume
    try:
        found = site.engine.volumes.inspect(volume)
    except NotFound:
        return
    if not kept["CacheVolumeNamed"] and (found.get("Labels") or {}).get(LABEL_ID) != site.config.identity:
        raise PreCreateCheckFailed(
            f"{site.endpoint} has a volume {volume} already, of an earlier machine. Use it, with the "
            "images in it: " + option("cache-volume", volume) + f"\nOr remove it: docker volume rm {volume}"
        )
    users = [name for name, _ in volumes.users(site, volume)]
    if users:
        raise volumes.in_use(volume, users)
    if kept["CacheSize"]:
        raise PreCreateCheckFailed(
            option("cache-size") + f" cannot change volume {volume}, which exists already."
        )
    kept["CacheVolumeKept"] = True


def _network(site: Site) -> None:
    kept = site.config.driver
    if not kept["Network"]:
        _reachable(site, bridge=True)
        return
    try:
        found = site.engine.networks.inspect(kept["Network"])
    except NotFound as error:
        names = ", ".join(sorted(network["Name"] for network in site.engine.networks.list()))
        raise PreCreateCheckFailed(
            f"{site.endpoint} has no network {kept['Network']}. It has: {names}"
        ) from error
    own_addresses = site.flavour.has_own_addresses(str(found.get("Driver")))
    _reachable(site, bridge=not own_addresses)
    if kept["IP"] and (not own_addresses or _subnets(found)):
        _address_in(found, kept["IP"], kept["Network"])
    if own_addresses:
        # Such a network has no published ports: its containers are hosts of the outer network.
        if kept["PublishAddress"] or kept["Port"]:
            raise PreCreateCheckFailed(
                f"Network {kept['Network']} is a {found['Driver']} network, which publishes no ports: leave "
                + option("publish")
                + " away, the machine is reached at its own address."
            )
        kept["Published"] = False


def _reachable(site: Site, *, bridge: bool) -> None:
    if bridge and not site.config.driver["Published"] and not site.flavour.bridges_reachable:
        raise PreCreateCheckFailed(
            option("publish", "none")
            + f": a machine of {site.flavour.title} can be reached at its own address on a container network "
            "only. Name one with " + option("network") + ", or leave " + option("publish") + " away."
        )


def _address_in(network: dict[str, object], address: str, name: str) -> None:
    import ipaddress

    subnets = _subnets(network)
    try:
        inside = any(ipaddress.ip_address(address) in ipaddress.ip_network(net) for net in subnets)
    except ValueError as error:
        raise DinvError(f"Network {name} has a subnet that cannot be read: {error}") from error
    if not inside:
        raise PreCreateCheckFailed(
            option("ip", address) + f" is not in network {name} ({', '.join(subnets) or 'no subnet'})."
        )
    attached = network.get("Containers")
    for container in attached.values() if isinstance(attached, dict) else ():
        if str(container.get("IPv4Address", "")).partition("/")[0] == address:
            raise PreCreateCheckFailed(
                option("ip", address)
                + f" is in use by {container.get('Name')} on network {name}. Choose another."
            )


def _subnets(network: dict[str, object]) -> list[str]:
    """Return the subnets of a network; the outer network of a VCH may not report its own."""
    ipam = network.get("IPAM")
    configs = ipam.get("Config") if isinstance(ipam, dict) else None
    return [str(config["Subnet"]) for config in configs or () if config.get("Subnet")]


def try_out(site: Site, command: Sequence[str], *, timeout: float) -> tuple[int, bytes]:
    """Run a command; return its exit status and the first MOST_OUTPUT of its output. `timeout` in seconds.

    The container has the machine's labels, so that `rm` finds one that a kill has left.
    """
    calls = site.engine.containers
    containers.remove(site, site.trial)
    deadline = Deadline(timeout)
    try:
        calls.create(site.trial, _trial_body(site, command), timeout=CHANGE_SECONDS)
        calls.start(site.trial, timeout=deadline)
        status = calls.wait(site.trial, timeout=deadline)
        return status, _output(site)
    except (BadRequest, ServerError) as error:
        raise PreCreateCheckFailed(
            f"The endpoint refuses a container like the machine's: {error.message}"
        ) from error
    finally:
        containers.remove(site, site.trial)


def _trial_body(site: Site, command: Sequence[str]) -> dict[str, Any]:
    spec = specification(site, {}, (), ())
    spec.port, spec.ports, spec.ip = 0, {}, ""
    spec.labels = {**spec.labels, LABEL_ROLE: "trial", LABEL_PORT: "0"}
    body = site.flavour.create_body(spec)
    body["HostConfig"] = {**body["HostConfig"], "RestartPolicy": {"Name": "no"}}
    return {**body, "Entrypoint": [command[0]], "Cmd": list(command[1:])}


def _output(site: Site) -> bytes:
    said = bytearray()
    with site.engine.containers.logs(site.trial, tty=False) as output:
        for _, data in output:
            said += data
            if len(said) >= MOST_OUTPUT:
                break
    return bytes(said[:MOST_OUTPUT])

"""The checks before anything is made, all at once, so that nothing has to be undone."""

from __future__ import annotations

from dinv.drivers.docker import volumes
from dinv.drivers.docker.network import own_address, ports
from dinv.errors import DinvError, NotFound, PreCreateCheckFailed
from dinv.labels import LABEL, LABEL_ID
from dinv.wording import command, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.drivers.docker.site import Site
    from dinv.progress import Progress


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
        raise PreCreateCheckFailed(
            f"Volume {volume} is in use by {', '.join(users)}: two daemons on one image store destroy it. "
            "Remove that one first ("
            + command("rm", "--keep-cache")
            + " leaves the volume), or name another "
            + option("cache-volume")
            + "."
        )
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

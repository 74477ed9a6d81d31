"""Checks of a container made without dinv: whether it is a machine, of which kind, and where it is reached.

Nothing is changed here. An existing container cannot get labels or other arguments: that decides what is
refused, and is why the record goes by the container's id.
"""

from __future__ import annotations

from dinv import images
from dinv.drivers.docker.flavours.engine import DAEMON_PORT
from dinv.drivers.docker.network import ports
from dinv.errors import (
    CannotAdopt,
    DeadlineExceeded,
    EndpointError,
    EngineError,
    NotFound,
    StoreError,
)
from dinv.formats.host_port import of_url
from dinv.formats.urls import PLAIN_PORT, TLS_PORT
from dinv.labels import LABEL, LABEL_ID
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from dinv.drivers.docker.site import Site
    from dinv.images import ImageContract
    from dinv.progress import Progress

CONNECT_SECONDS = 5.0


def examine(site: Site, container: str, progress: Progress) -> str:
    """Record what is known of a container in the machine's config; return the name of its contract.

    Raises CannotAdopt, and the errors of reaching an endpoint.
    """
    kept = site.config.driver
    flavour = site.flavour
    try:
        inspected = site.engine.containers.inspect(container)
    except NotFound as error:
        raise CannotAdopt(
            container, f"{site.endpoint} has no such container. Those it has: docker ps"
        ) from error
    name = str(inspected.get("Name") or container).lstrip("/")
    config = inspected.get("Config") or {}
    _nobodys(site, name, str(inspected["Id"]), config.get("Labels") or {})
    _lasting(name, inspected)
    contract = images.recognise(config)
    if not contract:
        runs = [*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())]
        raise CannotAdopt(
            name,
            f"it runs {' '.join(runs[:4]) or 'nothing that is known'}, which is neither "
            f"dch-photon's /dinv nor docker:dind's entrypoint nor dinv's own image",
        )
    found = images.find(contract)
    reason = found.cannot_adopt(config)
    if reason:
        raise CannotAdopt(name, f"{reason}. " + _anew(site, found, inspected))
    kept.update(
        Adopted=True,
        Container=name,
        ContainerID=str(inspected["Id"]),
        Flavour=flavour.name,
        Image=str(config.get("Image") or ""),
        Isolation=flavour.isolation_of(inspected),
        CacheVolume=_volume(inspected, found),
        CacheVolumeNamed=True,
        CacheVolumeKept=True,
    )
    _address(site, name, inspected, _anew(site, found, inspected))
    site.settle_address()
    _speaks_tls(site, name)
    progress.line("Container", name, f"{contract} at {kept['URL']}")
    return contract


def _nobodys(site: Site, name: str, identity: str, labels: Mapping[str, str]) -> None:
    if LABEL_ID in labels:
        raise CannotAdopt(
            name,
            f'it is the machine "{labels.get(LABEL, "")}" that dinv made. Take that into this store from '
            "where it was made: " + command("export") + " there, " + command("import") + " here",
        )
    for other in site.store.names():
        try:
            config = site.store.load(other)
        except StoreError:
            continue
        if config.driver.get("ContainerID") == identity and config.name != site.config.name:
            raise CannotAdopt(name, f'it is the machine "{other}" of this store already')


def _lasting(name: str, inspected: Mapping[str, Any]) -> None:
    """Check that it runs, and will still exist after a restart."""
    state = inspected.get("State") or {}
    if not state.get("Running"):
        shown = str(state.get("Status") or "not running").lower()
        raise CannotAdopt(name, f"it is {shown}, and has to run for this. Start it: docker start {name}")
    host = inspected.get("HostConfig") or {}
    if host.get("AutoRemove"):
        raise CannotAdopt(name, "it was made with --rm: its endpoint removes it when its daemon is restarted")
    if str(host.get("NetworkMode")) == "host":
        raise CannotAdopt(name, "it is on its endpoint's own network, where its daemon is the endpoint's")


def _volume(inspected: Mapping[str, Any], contract: ImageContract) -> str:
    """Return the volume that its images are in, "" for none."""
    mounts = inspected.get("Mounts") or ()
    names = [mount.get("Name") for mount in mounts if mount.get("Destination") == contract.mounts["cache"]]
    return str(names[0] or "") if names else ""


def _anew(site: Site, contract: ImageContract, inspected: Mapping[str, Any]) -> str:
    """Return how to get a machine of dinv's own with the same images."""
    volume = _volume(inspected, contract)
    cache = ("--cache-volume", volume) if volume else ()
    kept = "and keeps its images" if volume else "without its images, which are in no volume"
    return (
        f"That cannot be changed of a container that exists. A machine made anew in its place serves with "
        f"TLS {kept}: docker rm -f {str(inspected.get('Name') or '').lstrip('/')}, then "
        + command("create", *cache, site.config.name)
    )


def _address(site: Site, name: str, inspected: Mapping[str, Any], anew: str) -> None:
    """Return where its daemon is published, or its own address if that can be reached."""
    kept = site.config.driver
    settings = inspected.get("NetworkSettings") or {}
    published = settings.get("Ports") or {}
    network = str((inspected.get("HostConfig") or {}).get("NetworkMode") or "")
    kept["Network"] = "" if network in ("default", "bridge") else network
    addresses = (found.get("IPAddress") for found in (settings.get("Networks") or {}).values())
    kept["OwnAddress"] = next((address for address in addresses if address), "")
    binding = next((bound for bound in published.get(DAEMON_PORT) or () if bound.get("HostPort")), None)
    if binding is not None:
        address = str(binding.get("HostIp") or "")
        kept.update(
            Published=True,
            Port=int(binding["HostPort"]),
            PortChosen=True,
            PublishAddress=address if site.flavour.chooses_address else "",
        )
        ports.settle(site)
        ports.follow(site, published)
        return
    kept.update(Published=False, Port=0, PublishAddress="")
    ports.settle(site)
    if published.get(f"{PLAIN_PORT}/tcp"):
        raise CannotAdopt(
            name,
            f"it publishes plain TCP only, port {PLAIN_PORT}, where anyone who connects is root. " + anew,
        )
    if not kept["OwnAddress"]:
        raise CannotAdopt(name, f"it publishes no port {TLS_PORT}, and has no address of its own. " + anew)


def _speaks_tls(site: Site, name: str) -> None:
    """Check that something listens there, and that it is not a Docker daemon without TLS."""
    import socket

    from dinv.engine import Engine, TCPTransport

    where = of_url(site.url)
    if where is None:
        raise CannotAdopt(name, f"its URL names no host: {site.url}")
    try:
        socket.create_connection(where, timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise CannotAdopt(
            name,
            f"its daemon does not answer at {site.url} from here ({error.strerror or error}), where dinv's "
            f"clients would look for it. Publish its port {TLS_PORT}, or wait until it has started",
        ) from error
    try:
        with Engine(TCPTransport(*where), timeout=CONNECT_SECONDS) as engine:
            engine.ping()
    except (EngineError, EndpointError, DeadlineExceeded):
        return  # "Client sent an HTTP request to an HTTPS server", or whatever its version has for that
    raise CannotAdopt(
        name, f"its daemon listens at {site.url} without TLS, where anyone who connects is root"
    )

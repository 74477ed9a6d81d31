"""Starting a machine: what is cleared away before, and what a refused start means."""

from __future__ import annotations

import contextlib

from dinv import images
from dinv.drivers import AddressTaken
from dinv.drivers.docker import containers, volumes
from dinv.drivers.docker.leftovers import empty_pid_files
from dinv.drivers.docker.network import own_address, ports, publishing
from dinv.errors import (
    BadRequest,
    Conflict,
    DeadlineExceeded,
    MachineError,
    NotFound,
    PreCreateCheckFailed,
    ServerError,
    Unauthorized,
)
from dinv.formats import host_port
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.drivers.docker.site import Site
    from dinv.errors import EngineError


def start(site: Site, *, timeout: float) -> None:
    """Start the machine, on a network that this computer reaches; `timeout` in seconds.

    Raises AddressTaken, MachineGone, MachineError, PreCreateCheckFailed.
    """
    if site.flavour.single_attach:
        volumes.check_free(site)
    _clear_leftovers(site)
    if not site.config.driver.get("OwnNetwork"):
        _start(site, timeout)
        return
    device = own_address.led_away(site)
    if device:
        subnet = site.config.driver["OwnNetwork"]["Subnet"]
        own_address.mend(site, f"This computer looks for {subnet} at {device} now")
    try:
        _start(site, timeout)
    except AddressTaken:
        if site.config.unfinished:
            raise
        own_address.change(site)
        _start(site, timeout)


def _clear_leftovers(site: Site) -> None:
    """Clear up in a container that has run before: it may have been killed."""
    contract = site.config.image_contract
    if contract and (site.adopted or not site.config.unfinished):
        with contextlib.suppress(NotFound):  # the start reports what is missing
            empty_pid_files(site.channel(), images.find(contract).pid_files)


def _start(site: Site, timeout: float, *, mended: bool = False) -> None:
    # The engine answers when init runs. How long the daemon may take after that does not matter here.
    seconds = max(timeout, site.flavour.start_seconds)
    try:
        site.engine.containers.start(site.container, timeout=seconds)
    except NotFound as error:
        network = site.config.driver["Network"] if site.config.driver.get("OwnNetwork") else ""
        if not network or mended or not containers.own_id(site, site.container):
            raise containers.gone(site) from error
        own_address.mend(site, f"Network {network} was removed from the endpoint")
        _start(site, timeout, mended=True)
    except DeadlineExceeded as error:
        raise MachineError(
            site.config.name,
            f'{site.endpoint} has not started machine "{site.config.name}" within {seconds:g} s. '
            + option("timeout", "SECONDS")
            + " gives it longer.",
        ) from error
    except (BadRequest, Conflict, ServerError, Unauthorized) as error:
        raise _refused(site, error) from error
    _follow_port(site)


def _refused(site: Site, error: EngineError) -> Exception:
    """Return the error for an endpoint that has refused to start the container."""
    config, kept = site.config, site.config.driver
    published = kept["PublishAddress"]
    if published and site.flavour.address_absent(error.message):
        return PreCreateCheckFailed(
            f'Machine "{config.name}" is to be published at {published}, and the host of '
            f"{site.endpoint} has no such address. "
            + option("publish")
            + " takes one of that host's own, or 0.0.0.0 for all of them."
        )
    if not site.flavour.address_taken(error.message):
        return MachineError(
            config.name,
            f'{site.endpoint} cannot start machine "{config.name}": {error.message}'
            + site.flavour.start_refused(error, kept),
        )
    return _in_use(site, error.message)


def _in_use(site: Site, message: str) -> Exception:
    """Return the error for a port or an address of the machine that somebody else has.

    AddressTaken where dinv has chosen it and may choose another: the machine is being made.
    """
    config, kept = site.config, site.config.driver
    further = publishing.refused(kept.get("PublishPorts") or (), message)
    if further is None and kept.get("OwnNetwork"):
        return AddressTaken()
    port = further["Port"] if further is not None else kept["Port"]
    chosen = further.get("Chosen") if further is not None else not kept.get("PortChosen")
    if chosen and config.unfinished:
        # `move` chooses all anew, and not this one.
        kept["RefusedPorts"] = [*kept.get("RefusedPorts", []), port]
        return AddressTaken()
    if further is not None:
        address = f"{further['Address'] or '0.0.0.0'}:{port}"  # noqa: S104  (said, never bound)
        named = "" if chosen else ", of its " + option("publish-ports") + ","
        return PreCreateCheckFailed(
            f'Port {address} of machine "{config.name}"{named} is in use on {site.endpoint}. Free it.'
        )
    published = kept["PublishAddress"]
    address = host_port.join(published, port) if published else str(port)
    return PreCreateCheckFailed(
        f'Port {address} of machine "{config.name}" is in use on {site.endpoint}. '
        "Free it, or choose another with " + option("publish", "ADDRESS:PORT") + "."
    )


def _follow_port(site: Site) -> None:
    """Update the port of a container published at whatever port is free (`docker run -p 2376`)."""
    if site.adopted and site.config.driver["Port"]:
        settings = site.engine.containers.inspect(site.container).get("NetworkSettings") or {}
        ports.follow_port(site, settings.get("Ports") or {})
        site.settle_address()

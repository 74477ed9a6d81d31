"""Other ports for a machine that exists: what `dinv set` checks before the machine is made anew with them."""

from __future__ import annotations

from dinv.drivers.docker.network import ports, publishing
from dinv.errors import OptionError, PreCreateCheckFailed
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from dinv.drivers.docker.site import Site


def changed_ports(
    ports_now: Iterable[dict[str, Any]], added: Iterable[str], removed: Iterable[str]
) -> list[dict[str, Any]]:
    """Return the further ports with some more and some less; one that is published already leads elsewhere.

    Raises OptionError.
    """
    found = list(ports_now)
    for gone in publishing.parse(removed):
        left = [port for port in found if not _is_one(port, gone)]
        if len(left) == len(found):
            raise OptionError(
                f": port {gone['Port']}/{gone['Protocol']} is not published",
                option="publish-ports-rm",
            )
        found = left
    new = publishing.parse(added)
    found = [port for port in found if not any(_is_one(port, other) for other in new)] + new
    if len(found) > publishing.MOST:
        raise OptionError(
            f": {len(found)} ports are too many, {publishing.MOST} at most", option="publish-ports"
        )
    return found


def _is_one(port: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether both are the same port of the endpoint; one without an address is at any."""
    same = (port["Port"], port["Protocol"]) == (other["Port"], other["Protocol"])
    return same and other["Address"] in ("", port["Address"])


def settle(site: Site, wanted: dict[str, Any]) -> None:
    """Settle what `wanted`, the machine's config as it is to be, leaves open, and check its ports.

    The machine's own of now count as free. Raises PreCreateCheckFailed.
    """
    kept = site.config.driver
    _, local = ports.host_of(site)
    before = kept.get("PublishPorts") or []
    own = {kept["Port"], *(port["Port"] for port in before)}
    services = ports.services_of(site)
    used = {port: name for port, name in ports.used_ports(site).items() if name != site.container}
    further = [port for port in wanted["PublishPorts"] if port not in before]
    publishing.settle(further, local=local and site.flavour.chooses_address)
    taken = {**used, **dict.fromkeys(services, "of its own services")}
    publishing.check(further, taken, str(site.endpoint))
    for port in further if local else ():
        if port["Protocol"] == "tcp" and port["Port"] not in own:
            _check_free(port)

    def is_free(port: int) -> bool:
        return port not in used and (not local or ports.can_bind(wanted["PublishAddress"], port))

    if wanted["Port"] not in own:
        ports.check_chosen(site, wanted["Port"], used=used, services=services, is_free=is_free)
    if wanted["Port"] and any(port["Port"] == wanted["Port"] for port in wanted["PublishPorts"]):
        raise PreCreateCheckFailed(
            option("publish-ports") + f": the machine's daemon is published at port {wanted['Port']}."
        )


def _check_free(port: dict[str, Any]) -> None:
    if not ports.can_bind(port["Address"], port["Port"]):
        raise PreCreateCheckFailed(
            option("publish-ports") + f": port {port['Port']} is in use on this computer. Choose another."
        )

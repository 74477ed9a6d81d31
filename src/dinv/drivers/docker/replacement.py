"""Recreating a machine from another image: which image, and the names of both containers meanwhile.

The old container keeps its volumes, and the new one gets the same. Their names tell the two apart. The new
one is created while the old one runs: if the endpoint refuses it, as a VCH at its container quota does, no
machine has been stopped in vain.
"""

from __future__ import annotations

from dinv.drivers.docker import containers, creation
from dinv.drivers.docker.containers import CHANGE_SECONDS
from dinv.drivers.docker.image import advice, plain_id, present, refresh, take
from dinv.drivers.replacement import Offer, Replacement
from dinv.errors import MachineGone, NotFound, PreCreateCheckFailed
from dinv.timeouts import STOP_SECONDS
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from dinv.drivers.docker.site import Site
    from dinv.progress import Progress


class ContainerReplacement(Replacement):
    """A container that replaces another on the same endpoint."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def offer(self, image: str, progress: Progress) -> Offer:
        site = self._site
        container = self._replaceable()
        image = image or str(site.config.driver["Image"])
        found = refresh(site.engine, image, progress, advice=advice(site, image))
        contract = take(site, image, found)
        return Offer(image, contract, same=plain_id(found.get("Id")) == plain_id(container.get("Image")))

    def current(self) -> str:
        site = self._site
        made_from, name = str(self._replaceable().get("Image", "")), str(site.config.driver["Image"])
        found = present(site.engine, name)
        if found is None or plain_id(found.get("Id")) != plain_id(made_from):
            name, found = made_from, present(site.engine, made_from)
        if found is None:
            raise PreCreateCheckFailed(
                f"{site.endpoint} no longer has the image that machine {site.config.name} was made from. "
                "Make it anew from another: " + command("upgrade", "--image", "REF", site.config.name)
            )
        take(site, name, found)
        return name

    def _replaceable(self) -> Mapping[str, Any]:
        """Return the machine's container. Raises PreCreateCheckFailed if it cannot be recreated."""
        site = self._site
        kept = site.config.driver
        try:
            container = site.engine.containers.inspect(site.container)
        except NotFound as error:
            raise containers.gone(site) from error
        if kept.get("IP") and site.flavour.keeps_stopped_addresses:
            raise PreCreateCheckFailed(
                f"This machine cannot be made anew beside its old self: {site.flavour.title} keeps the "
                f"address {kept['IP']} with the stopped one. Make it anew with its images instead: "
                + command("rm", "--keep-cache", site.config.name)
                + ", then "
                + command("create", "--cache-volume", site.cache_volume, site.config.name, "...")
            )
        return container

    def replace(
        self, environment: Mapping[str, str], command: Sequence[str], mounts: Mapping[str, str]
    ) -> None:
        site = self._site
        if not containers.own_id(site, site.container):
            raise containers.gone(site)
        containers.remove(site, site.beside)
        self.make_beside(environment, command, mounts)
        self.set_aside()
        site.engine.containers.rename(site.beside, site.container, timeout=CHANGE_SECONDS)

    def make_beside(
        self, environment: Mapping[str, str], command: Sequence[str], mounts: Mapping[str, str]
    ) -> None:
        """Make the new container, under a temporary name. Raises PreCreateCheckFailed."""
        creation.create(self._site, self._site.beside, environment, command, mounts)

    def set_aside(self) -> None:
        """Stop the old container and keep it under another name. Raises MachineGone."""
        site = self._site
        identity = containers.own_id(site, site.container)
        if not identity:
            raise containers.gone(site)
        calls = site.engine.containers
        calls.stop(identity, grace=int(STOP_SECONDS), timeout=STOP_SECONDS + CHANGE_SECONDS)
        calls.rename(identity, site.aside, timeout=CHANGE_SECONDS)

    def take_back(self) -> None:
        site = self._site
        containers.remove(site, site.beside)
        aside = containers.own_id(site, site.aside)
        if aside:
            containers.remove(site, site.container)
            site.engine.containers.rename(aside, site.container, timeout=CHANGE_SECONDS)
        elif not containers.own_id(site, site.container):
            raise MachineGone(site.config.name, site.container, str(site.endpoint))

    def let_go(self) -> None:
        containers.remove(self._site, self._site.aside)

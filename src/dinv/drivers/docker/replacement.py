"""Making a machine anew from another image: which image, and which container stands where meanwhile.

The old container keeps its volumes, and the new one gets the same. What tells the two apart is the name. The
new one is made beside the old one, which runs meanwhile: an endpoint that refuses it, as a VCH at its
container quota does, has nobody's machine stopped for that.
"""

from __future__ import annotations

from dinv.drivers import Offer, Replacement
from dinv.drivers.docker import containers
from dinv.drivers.docker.containers import CHANGE_SECONDS
from dinv.drivers.docker.image import refresh
from dinv.errors import MachineGone, NotFound, PreCreateCheckFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dinv.drivers.docker.driver import DockerDriver
    from dinv.progress import Progress

STOP_SECONDS = 20
"""What the old container has to stop cleanly; containers in it get 10 s by default."""


class ContainerReplacement(Replacement):
    """A container that takes the place of another on the same endpoint."""

    def __init__(self, driver: DockerDriver) -> None:
        self._driver = driver

    def offer(self, image: str, progress: Progress) -> Offer:
        driver = self._driver
        kept = driver.config.driver
        try:
            container = driver.engine.containers.inspect(driver.container)
        except NotFound as error:
            raise driver.gone() from error
        if kept.get("IP") and driver.flavour.keeps_stopped_addresses:
            raise PreCreateCheckFailed(
                f"This machine cannot be made anew beside its old self: {driver.flavour.title} keeps the "
                f"address {kept['IP']} with the stopped one. Make it anew with its images instead: "
                f"dinv rm --keep-cache {driver.config.name}, "
                f"then dinv create --cache-volume {driver.cache_volume} {driver.config.name} ..."
            )
        image = image or str(kept["Image"])
        found = refresh(driver.engine, image, progress, advice=driver.image_advice(image))
        contract = driver.take_image(image, found)
        return Offer(image, contract, same=_hash(found.get("Id")) == _hash(container.get("Image")))

    def replace(
        self, environment: Mapping[str, str], command: Sequence[str], mounts: Mapping[str, str]
    ) -> None:
        driver = self._driver
        if not containers.own_id(driver, driver.container):
            raise driver.gone()
        containers.remove(driver, driver.beside)
        driver.create_as(driver.beside, environment, command, mounts)
        self.set_aside()
        driver.engine.containers.rename(driver.beside, driver.container, timeout=CHANGE_SECONDS)

    def set_aside(self) -> None:
        """Stop the old container and keep it under another name. Raises MachineGone."""
        driver = self._driver
        identity = containers.own_id(driver, driver.container)
        if not identity:
            raise driver.gone()
        calls = driver.engine.containers
        calls.stop(identity, grace=STOP_SECONDS, timeout=STOP_SECONDS + CHANGE_SECONDS)
        calls.rename(identity, driver.aside, timeout=CHANGE_SECONDS)

    def take_back(self) -> None:
        driver = self._driver
        containers.remove(driver, driver.beside)
        aside = containers.own_id(driver, driver.aside)
        if aside:
            containers.remove(driver, driver.container)
            driver.engine.containers.rename(aside, driver.container, timeout=CHANGE_SECONDS)
        elif not containers.own_id(driver, driver.container):
            raise MachineGone(driver.config.name, driver.container, str(driver.endpoint))

    def let_go(self) -> None:
        containers.remove(self._driver, self._driver.aside)


def _hash(image_id: object) -> str:
    """An image's id without its algorithm, which not every answer has."""
    return str(image_id).rpartition(":")[2]

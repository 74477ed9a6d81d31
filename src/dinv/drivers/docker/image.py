"""The machine image on the endpoint: whether it is there, pulling it, and its image contract."""

from __future__ import annotations

from dinv.errors import EngineError, ImageError, ImageMissing, NotFound
from dinv.images import features, recognise
from dinv.labels import FEATURE_SSHD, LABEL_CONTRACT
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from dinv.drivers.docker.site import Site
    from dinv.engine import Engine
    from dinv.progress import Progress

PULL_IDLE_SECONDS = 120.0
"""A registry that is silent for this many seconds is considered dead."""


def present(engine: Engine, image: str) -> dict[str, Any] | None:
    """Return the image as the endpoint has it (`GET /images/NAME/json`), or None."""
    try:
        return engine.images.inspect(image)
    except NotFound:
        return None


def identity(site: Site, *, timeout: float) -> str:
    """Return the ID of the image that was taken; else of what its name stands for now, "" for nothing."""
    if site.image_id:
        return plain_id(site.image_id)
    try:
        return plain_id(
            site.engine.images.inspect(str(site.config.driver["Image"]), timeout=timeout).get("Id")
        )
    except NotFound:
        return ""


def plain_id(image_id: object) -> str:
    """Return an image's ID without its algorithm, which some answers omit."""
    return str(image_id or "").rpartition(":")[2]


def contract_of(image: str, inspected: Mapping[str, Any]) -> str:
    """Return the contract that an image says it keeps. Raises ImageError if it is not a machine image."""
    contract = recognise(inspected.get("Config") or {})
    if not contract:
        raise ImageError(
            f"Image {image} is not a machine image that dinv knows: it has no label {LABEL_CONTRACT}, and "
            "does not look like docker:dind or dch-photon. Build one with: " + command("image", "build")
        )
    return contract


def advice(site: Site, image: str) -> str:
    """Return advice about an image that the endpoint lacks: a machine gets it by `load`, not by a build."""
    from dinv.drivers.machine_urls import machine_at

    outer = machine_at(site.store, site.endpoint.url)
    if not outer:
        return site.flavour.image_advice
    return "Take it there with: " + command("load", outer, image)


def take(site: Site, image: str, inspected: Mapping[str, Any]) -> str:
    """Let `create` use an image that the endpoint has; return the name of its contract.

    Raises ImageError if it is not a machine image.
    """
    site.image_id = str(inspected.get("Id", ""))
    site.declared_volumes = set((inspected.get("Config") or {}).get("Volumes") or ())
    site.image_features = features(inspected.get("Config") or {})
    return site.config.driver.get("ImageContract") or contract_of(image, inspected)


def take_features(site: Site) -> None:
    """Record what the image has besides a daemon, and what follows from that for how the machine is reached.

    With a port for its SSH server the record is saved: whoever finishes a killed create has to know it.
    """
    kept = site.config.driver
    if not (site.image_features or kept.get("ImageFeatures")):
        return
    kept["ImageFeatures"] = sorted(site.image_features)
    if FEATURE_SSHD in site.image_features:
        from dinv.drivers.docker.network import ssh_port

        if ssh_port.publish(site):
            site.store.save(site.config)
    site.settle_address()


def ensure(engine: Engine, image: str, progress: Progress, *, advice: str) -> dict[str, Any]:
    """Make sure that the endpoint has the image, by pulling it if need be.

    Raises ImageMissing, which ends with `advice`.
    """
    found = present(engine, image)
    if found is not None:
        progress.line("Image", image, "present")
        return found
    return _pull(engine, image, progress, advice)


def refresh(engine: Engine, image: str, progress: Progress, *, advice: str) -> dict[str, Any]:
    """Return the newest version of the image. Raises ImageMissing, with `advice`, if there is none.

    An image that was built on the endpoint, or loaded there, is not looked up in a registry: it need not be
    there, and another may have its name. The engine shows the difference in "RepoDigests", which only a pull
    or a push fills.
    """
    found = present(engine, image)
    if found is not None and not found.get("RepoDigests"):
        progress.line("Image", image, "present")
        return found
    try:
        return _pull(engine, image, progress, advice)
    except ImageMissing as error:
        if found is None:
            raise
        progress.warn(f"{image} cannot be pulled ({error.reason}): using what the endpoint has")
        return found


def _pull(engine: Engine, image: str, progress: Progress, advice: str) -> dict[str, Any]:
    from dinv.engine import IdleDeadline, credentials
    from dinv.engine.reference import parse_reference

    layers: dict[str, str] = {}
    unusable: list[str] = []

    def warn(text: str) -> None:
        unusable.append(text)
        progress.warn(text)

    def show(event: dict[str, Any]) -> None:
        layer, status = str(event.get("id") or ""), str(event.get("status") or "")
        if layer and "Pulling from" not in status:
            layers[layer] = status
        done = sum(status in ("Pull complete", "Already exists") for status in layers.values())
        detail = event.get("progress") or status
        progress.update(f"{done} of {len(layers)} layers, {detail}" if layers else status)

    with progress.working("Image", f"{image}: pulling"):
        try:
            engine.images.pull(
                image,
                credentials=credentials.find(parse_reference(image), warn=warn),
                progress=show,
                timeout=IdleDeadline(PULL_IDLE_SECONDS),
            )
        except EngineError as error:
            reason = f"{error.message} ({'; '.join(unusable)})" if unusable else error.message
            raise ImageMissing(image, engine.transport.address, reason, advice) from error
    found = present(engine, image)
    if found is None:
        raise ImageMissing(image, engine.transport.address, "the pull ended without it", advice)
    progress.line("Image", image, "pulled")
    return found

"""Machine images pushed to a registry, for endpoints that cannot build: above all a VCH."""

from __future__ import annotations

from datetime import UTC, datetime

from dinv.engine.reference import DOCKER_HUB, parse_reference
from dinv.errors import EngineError, ImageError, InputError, NotFound, Unauthorized
from dinv.image_building import builder
from dinv.images import DEFAULT_IMAGE, recognise
from dinv.system.deadline import IdleDeadline
from dinv.wording import command, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from dinv.engine import Engine
    from dinv.progress import Progress

IDLE_SECONDS = 120.0
"""Seconds after which a silent registry is considered dead."""
_DONE = ("Pushed", "Layer already exists", "Mounted from")


def push(
    engine: Engine, reference: str, progress: Progress, *, image: str = "", base: str | None = None
) -> tuple[str, str]:
    """Push a machine image of `engine` to a registry; return the image's id and its digest in the registry.

    `image` names it; by default it is the newer of `reference` and DEFAULT_IMAGE on the engine, and if it has
    neither, one is built on `base` (see `builder.build`). The engine keeps it under both names. Credentials
    are those of docker's CLI. Raises InputError for a reference without a registry or with a digest,
    ImageError, ImageBuildError, and the errors of reaching an endpoint.
    """
    target = parse_reference(reference)
    if target.registry == DOCKER_HUB and not target.name.startswith(f"{DOCKER_HUB}/"):
        raise InputError(
            f'"{reference}" names no registry to push to: REGISTRY/NAME[:TAG], such as '
            f"registry.example.com/dinv:latest"
        )
    if target.digest:
        raise InputError(f'"{reference}": a digest is what a registry answers, and no name to push to')
    name = f"{target.name}:{target.version}"
    builder.check_builds(engine)
    found = _found(engine, image, name, base, progress)
    identity = str(found["Id"])
    engine.images.tag(identity, name)
    digest = _push(engine, name, progress)
    pushed = f"{target.name}@{digest}" if digest else name
    progress.line("Registry", name, f"pushed{f', {digest}' if digest else ''}")
    return identity, pushed


def _found(engine: Engine, image: str, name: str, base: str | None, progress: Progress) -> dict[str, Any]:
    if image:
        try:
            found = engine.images.inspect(image)
        except NotFound as error:
            there_are = command("image", "ls")
            raise ImageError(f"{engine.address} has no image {image}. It has: " + there_are) from error
        chosen = image
    else:
        there = {}
        # Of two of the same time the first is taken: builds of the same packages have the same.
        for known in (DEFAULT_IMAGE, name):
            try:
                there[known] = engine.images.inspect(known)
            except NotFound:
                continue
        if not there:
            with progress.working("Image", f"building {DEFAULT_IMAGE}"):
                builder.build(engine, base=base, report=progress.update)
            there[DEFAULT_IMAGE] = engine.images.inspect(DEFAULT_IMAGE)
        chosen, found = max(there.items(), key=lambda item: _created(item[1]))
    if not recognise(found.get("Config") or {}):
        raise ImageError(
            f"{chosen} on {engine.address} is not a machine image. Name one with "
            + option("image")
            + ": "
            + command("image", "ls")
        )
    progress.line("Image", chosen, f"of {str(found.get('Created') or '')[:19].replace('T', ' ')}")
    return found


def _created(found: Mapping[str, Any]) -> datetime:
    try:
        made = datetime.fromisoformat(str(found.get("Created") or ""))
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return made if made.tzinfo else made.replace(tzinfo=UTC)


def _push(engine: Engine, name: str, progress: Progress) -> str:
    from dinv.engine import credentials

    layers: dict[str, str] = {}

    def show(event: dict[str, Any]) -> None:
        layer, status = str(event.get("id") or ""), str(event.get("status") or "")
        if layer:
            layers[layer] = status
        done = sum(status.startswith(_DONE) for status in layers.values())
        detail = event.get("progress") or status
        progress.update(f"{done} of {len(layers)} layers, {detail}" if layers else status)

    target = parse_reference(name)
    login = credentials.find(target, warn=progress.warn)
    with progress.working("Registry", f"{name}: pushing"):
        try:
            return engine.images.push(
                name, credentials=login, progress=show, timeout=IdleDeadline(IDLE_SECONDS)
            )
        except Unauthorized as error:
            how = "that docker has for it are refused" if login else "are needed, and docker has none for it"
            raise ImageError(
                f"{name} was not pushed: credentials {how} ({error.message}). "
                f"Log in: docker login {target.registry}"
            ) from error
        except EngineError as error:
            raise ImageError(f"{name} was not pushed: {error.message}") from error

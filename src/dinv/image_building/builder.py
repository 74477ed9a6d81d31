"""Machine images on an endpoint: built from the sources in `images/`, and listed.

There are two ways to build. The Dockerfile is for endpoints that have, or can pull, a base image.
Where no registry can be reached, the image is made on this side from Debian packages, and loaded; what the
Dockerfile says about the image (its entrypoint, labels, health check) is taken from the Dockerfile then, so
that it is written down once.
"""

from __future__ import annotations

import io
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime

import dinv
from dinv.errors import DeadlineExceeded, EngineError, ImageBuildError, NotFound
from dinv.image_building import contents, from_packages
from dinv.image_building.debian import missing_tools
from dinv.image_building.layer import source_date_epoch
from dinv.images import DEFAULT_IMAGE
from dinv.labels import LABEL_BASE, LABEL_CONTAINERD, LABEL_CONTRACT, LABEL_DOCKER, LABEL_RUNC, LABEL_VERSION
from dinv.system.deadline import Deadline, IdleDeadline
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from dinv.engine import Engine

BASES = {"photon": "photon:5.0", "debian": "debian:trixie-slim"}
"""The bases with names of their own, and the registry image for each."""

BUILD_SECONDS = 1800.0
"""Seconds for a whole build, with what it pulls."""
PULL_IDLE_SECONDS = 60.0
"""Seconds after which a silent registry is considered dead."""

# What the image is made of; the rest of the directory is documentation and examples.
_CONTEXT = ("Dockerfile", "install.sh", "packages", "rootfs")
_LABEL_BASE_NAME = "org.opencontainers.image.base.name"
_EXECUTABLE = {
    *("install.sh", "entrypoint", "healthcheck", "services"),
    *("supervisor", "report", "prune", "reload"),  # of registry caches
}


@dataclass(frozen=True, slots=True)
class MachineImage:
    """An image with the label LABEL_CONTRACT. `size` is in bytes.

    `docker`, `containerd` and `runc` are versions, and `base` is a system with its version, or the name of
    the base image; "" if the image does not say.
    """

    id: str
    tags: tuple[str, ...]
    contract: str
    version: str
    base: str
    size: int
    created: datetime
    docker: str = ""
    containerd: str = ""
    runc: str = ""


def sources() -> str:
    """Return the directory with the sources of the official image.

    In an installed package it is in `dinv/images/source`, in a checkout at the project's root.
    Raises ImageBuildError.
    """
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    packaged = os.path.join(package, "images", "source")
    checkout = os.path.normpath(os.path.join(package, "..", "..", "images"))
    for directory in (packaged, checkout):
        if os.path.isfile(os.path.join(directory, "install.sh")):
            return directory
    raise ImageBuildError(
        f"The sources of the machine image are neither in {packaged} nor in {checkout}. "
        f"Install dinv again, or run it from a complete checkout."
    )


def image_list(engine: Engine) -> list[MachineImage]:
    """Return the machine images that `engine` has, newest first."""
    found = [_machine_image(image) for image in engine.images.list(filters={"label": [LABEL_CONTRACT]})]
    return sorted(found, key=lambda image: image.created, reverse=True)


def build(
    engine: Engine,
    *,
    base: str | None = None,
    tag: str = DEFAULT_IMAGE,
    root: str = "",
    report: Callable[[str], None] = lambda _line: None,
    timeout: float = BUILD_SECONDS,
) -> str:
    """Build the official machine image on `engine`, name it `tag`, and return its id.

    `root` is the directory with its sources, if they are not the official ones but a copy to be changed.

    `base` is "photon", "debian" or an image's name: Photon OS, Debian or Ubuntu, or derived from one.
    None is "photon" where the endpoint has it or can pull it, else "debian".
    For "debian" the base is made from Debian packages here when the endpoint does not have the
    base image, and this side has mmdebstrap and the endpoint's architecture; else it is pulled.
    `report` gets what is being done, a line at a time. `timeout` is in seconds, for all of it.

    Raises ImageBuildError, DeadlineExceeded, and the errors of an endpoint that goes away. `tag` names
    the former image, or none, as long as the new one is not complete.
    """
    check_builds(engine)
    deadline = Deadline(timeout)
    if base is None:
        base = _obtainable_base(engine, report, deadline)
    reference = BASES.get(base, base)
    if base == "debian" and not _has(engine, reference, deadline):
        reason = why_not_here(engine, deadline)
        if not reason:
            return from_packages.make(
                engine, root or sources(), context(root=root), tag=tag, report=report, deadline=deadline
            )
        report(f"Pulling {reference}: {reason}")
        try:
            engine.images.pull(reference, timeout=deadline)
        except EngineError as exc:
            raise ImageBuildError(
                f"{reference} cannot be pulled: {exc.message}\n"
                f"The Debian base can also be made without a registry, but not here: {reason}"
            ) from exc
    return _build_dockerfile(engine, reference, tag, root, report, deadline)


def check_builds(engine: Engine) -> None:
    """Raise ImageBuildError at once for an endpoint that cannot build images."""
    from dinv.drivers.docker.flavours import detect

    flavour = detect(engine.info())
    if not flavour.builds_images:
        raise ImageBuildError(
            f"{engine.address} is {flavour.title}, where images can be neither built nor pushed. "
            f"{flavour.image_advice}"
        )


def _obtainable_base(engine: Engine, report: Callable[[str], None], deadline: Deadline) -> str:
    """Return Photon OS, the supported base, or Debian if the endpoint cannot pull Photon OS."""
    photon = BASES["photon"]
    if _has(engine, photon, deadline):
        return "photon"
    report(f"Pulling {photon}")
    try:
        engine.images.pull(photon, timeout=IdleDeadline(PULL_IDLE_SECONDS))
    except (EngineError, DeadlineExceeded) as exc:
        report(f"{photon} is not available ({exc}): building on Debian")
        return "debian"
    return "photon"


def _build_dockerfile(  # noqa: PLR0917  (all of them are what `build` was given)
    engine: Engine, base: str, tag: str, root: str, report: Callable[[str], None], deadline: Deadline
) -> str:
    said: list[str] = []

    def progress(message: Mapping[str, Any]) -> None:
        text = str(message.get("stream") or message.get("status") or "")
        for line in str(text).splitlines():
            if line.strip():
                said.append(line.rstrip())
                report(line.rstrip())
        del said[:-20]

    dockerfile = _dockerfile(root, start_interval=engine.at_least("1.44"))
    arguments = {"BASE": base, "VERSION": dinv.__version__}
    epoch = source_date_epoch()
    if epoch is not None:
        arguments["SOURCE_DATE_EPOCH"] = str(epoch)
    try:
        image = engine.images.build(
            io.BytesIO(context({"Dockerfile": dockerfile.encode()}, root=root)),
            buildargs=arguments,
            progress=progress,
            timeout=deadline,
        )
        return contents.label(engine, image, tag, deadline)
    except EngineError as exc:
        tail = "".join(f"\n  {line}" for line in said)
        hint = shell_advice(exc.message)
        if not said or "pull" in exc.message or "manifest" in exc.message or "registry" in exc.message:
            hint += "\nWithout a registry, an image can be made of Debian packages: " + _DEBIAN_COMMAND
        raise ImageBuildError(f"Building {tag} from {base} failed: {exc.message}{tail}" + hint) from exc


_NO_SHELL = re.compile(r'exec: \\?"/bin/sh\\?"|/bin/sh: no such file or directory', re.IGNORECASE)


def shell_advice(message: str) -> str:
    """Return advice, after a line break, if an engine's message says that a base has no shell; else ""."""
    if not _NO_SHELL.search(message):
        return ""
    return (
        "\nWhat it is built on has no shell (/bin/sh), so nothing can be installed in it: a machine image is "
        "built on Photon OS, Debian or Ubuntu, or on another machine image."
    )


_DEBIAN_COMMAND = command("image", "build", "--base", "debian")


def why_not_here(engine: Engine, deadline: Deadline) -> str:
    """Return why the Debian base cannot be made on this side; "" if it can."""
    theirs = str(engine.info(timeout=deadline).get("Architecture", ""))
    ours = os.uname().machine
    if from_packages.ARCHITECTURES.get(theirs, theirs) != from_packages.ARCHITECTURES.get(ours, ours):
        return f"the endpoint is {theirs}, this side {ours}"
    return missing_tools()


def _has(engine: Engine, reference: str, deadline: Deadline) -> bool:
    try:
        engine.images.inspect(reference, timeout=deadline)
    except NotFound:
        return False
    return True


def _machine_image(found: Mapping[str, Any]) -> MachineImage:
    labels = found.get("Labels") or {}
    tags = [tag for tag in found.get("RepoTags") or [] if tag != "<none>:<none>"]
    return MachineImage(
        id=str(found.get("Id", "")),
        tags=tuple(sorted(tags)),
        contract=str(labels.get(LABEL_CONTRACT, "")),
        version=str(labels.get(LABEL_VERSION, "")),
        base=str(labels.get(LABEL_BASE) or labels.get(_LABEL_BASE_NAME, "")),
        docker=str(labels.get(LABEL_DOCKER, "")),
        containerd=str(labels.get(LABEL_CONTAINERD, "")),
        runc=str(labels.get(LABEL_RUNC, "")),
        size=int(found.get("Size") or 0),
        created=datetime.fromtimestamp(int(found.get("Created") or 0), UTC),
    )


def context(replaced: Mapping[str, bytes] | None = None, *, root: str = "") -> bytes:
    """Return the build context as a tar: the same bytes for the same sources, wherever they are installed.

    Modes, owners and times are set here: pip and git do not keep them alike. `replaced` are files with
    other contents than on disk, by their path in the context. `root` is the directory of another image's
    sources, by default the machine image's.
    """
    import tarfile

    replaced = replaced or {}
    root = root or sources()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in _context_paths(root):
            name = os.path.relpath(path, root)
            member = tarfile.TarInfo(name)
            if os.path.isdir(path):
                member.type = tarfile.DIRTYPE
                member.mode = 0o755
                tar.addfile(member)
                continue
            data = replaced.get(name)
            if data is None:
                with open(path, "rb") as file:
                    data = file.read()
            member.size = len(data)
            member.mode = 0o755 if os.path.basename(name) in _EXECUTABLE else 0o644
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def _context_paths(root: str) -> list[str]:
    paths: list[str] = []
    for entry in _CONTEXT:
        top = os.path.join(root, entry)
        paths.append(top)
        for directory, names, files in os.walk(top):
            names.sort()
            paths += [os.path.join(directory, name) for name in sorted(names + files)]
    return paths


def _dockerfile(root: str, *, start_interval: bool) -> str:
    """Return the Dockerfile, for engines of API 1.44 (25.0) with the option that older ones refuse.

    With it the first health check is made after a second and not after the whole interval.
    """
    with open(os.path.join(root or sources(), "Dockerfile"), encoding="utf-8") as file:
        text = file.read()
    return text.replace("HEALTHCHECK ", "HEALTHCHECK --start-interval=1s ", 1) if start_interval else text

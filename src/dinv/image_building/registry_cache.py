"""The image of registry caches, built from `images/registry-cache/`: Debian's docker-registry and busybox.

It is made of Debian packages on this side, and loaded, where mmdebstrap is installed: the packages are only
unpacked, which takes some ten seconds, and no registry is needed. Elsewhere the endpoint builds it on Debian,
which it has or pulls.
"""

from __future__ import annotations

import io
import os

import dinv
from dinv.errors import EngineError, ImageBuildError
from dinv.image_building import builder, from_packages
from dinv.image_building.debian import SUITE
from dinv.system.deadline import Deadline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.engine import Engine

IMAGE = "dinv-registry-cache"
_FOLDER = "registry-cache"
_BUSYBOX = "/usr/bin/busybox sh"


def sources() -> str:
    """Return the directory with the image's sources. Raises ImageBuildError."""
    return os.path.join(builder.sources(), _FOLDER)


def context() -> bytes:
    """Return the build context as a tar."""
    return builder.context(root=sources())


def build(
    engine: Engine,
    *,
    tag: str = IMAGE,
    report: Callable[[str], None] = lambda _line: None,
    timeout: float = builder.BUILD_SECONDS,
) -> str:
    """Build the image on `engine`, name it `tag`, and return its id.

    `report` gets what is being done, a line at a time; `timeout` is in seconds, for all of it. Raises
    ImageBuildError, also at once for an endpoint that cannot build, DeadlineExceeded.
    """
    builder.check_builds(engine)
    deadline = Deadline(timeout)
    reason = builder.why_not_here(engine, deadline)
    try:
        if not reason:
            return from_packages.make(
                engine,
                sources(),
                context(),
                tag=tag,
                report=report,
                deadline=deadline,
                variant="extract",
                shell=_BUSYBOX,
            )
        report(f"Building on debian:{SUITE}-slim: {reason}")
        return engine.images.build(
            io.BytesIO(context()),
            tag=tag,
            buildargs={"BASE": f"debian:{SUITE}-slim", "VERSION": dinv.__version__},
            timeout=deadline,
        )
    except EngineError as error:
        why = f"\nIt can also be made of Debian packages, but not here: {reason}" if reason else ""
        raise ImageBuildError(f"Building {tag} failed: {error.message}{why}") from error

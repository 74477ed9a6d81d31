"""An image made of Debian packages on this side, and loaded into an endpoint: no registry needed.

What its sources are: a Dockerfile, of which only what it says about the image is read; the packages in
packages/debian.txt, and what dpkg leaves out of them in packages/debian.exclude; and install.sh.
"""

from __future__ import annotations

import os
import time

import dinv
from dinv.errors import EngineError, ImageBuildError
from dinv.image_building.config import image_config
from dinv.image_building.contents import CONTENTS, contents
from dinv.image_building.debian import SUITE, DebianBase
from dinv.image_building.layer import Layer, source_date_epoch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.engine import Engine
    from dinv.system.deadline import Deadline

# The kernel's names for a machine (uname -m, also in /info) in Debian's spelling, which is Go's too.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def make(
    engine: Engine,
    root: str,
    context: bytes,
    *,
    tag: str,
    report: Callable[[str], None],
    deadline: Deadline,
    variant: str = "apt",
    shell: str = "sh",
) -> str:
    """Make the image of the sources at `root`, of which `context` is a tar, name it `tag`, and return its id.

    The same sources and packages have the same id, by the time of the newest package or SOURCE_DATE_EPOCH.
    `variant` and `shell` are those of DebianBase. Raises ImageBuildError, InputError, DeadlineExceeded.
    """
    epoch = source_date_epoch()
    started = int(time.time()) if epoch is None else epoch
    base = DebianBase(
        lines(os.path.join(root, "packages", "debian.txt")),
        context,
        report=report,
        deadline=deadline,
        variant=variant,
        shell=shell,
        leave_out=lines(os.path.join(root, "packages", "debian.exclude")),
        epoch=started,
    )
    # Nothing is asked of the endpoint before all is there: a base that cannot be made leaves nothing.
    with base as archive:
        layer = Layer(archive, started=started if epoch is None else None)
    with layer, open(os.path.join(root, "Dockerfile"), encoding="utf-8") as file:
        config = image_config(file.read(), {"BASE": f"debian:{SUITE}", "VERSION": dinv.__version__})
        if "Healthcheck" in config:
            # The first after a second, not after the whole interval. Engines before 25.0 pass over it.
            config["Healthcheck"].setdefault("StartInterval", 10**9)
        config.setdefault("Labels", {}).update(contents(layer.read(CONTENTS.lstrip("/"))))
        architecture = os.uname().machine
        image, identity = layer.image(config, architecture=ARCHITECTURES.get(architecture, architecture))
        report(f"Loading {tag}, {layer.size // 1_000_000} MB")
        try:
            # With containerd's image store the id is the digest of a manifest that the engine makes.
            loaded = engine.images.load(image, timeout=deadline)
            identity = next((one for one in loaded if one.startswith("sha256:")), identity)
            engine.images.tag(identity, tag, timeout=deadline)
        except EngineError as error:
            raise ImageBuildError(f"Loading {tag} failed: {error.message}") from error
    return identity


def lines(path: str) -> list[str]:
    """Return the lines of a file, as `entries` does; [] if there is no such file."""
    try:
        with open(path, encoding="utf-8") as file:
            return entries(file.read())
    except FileNotFoundError:
        return []


def entries(text: str) -> list[str]:
    """Return the lines of `text` without comments and blank lines."""
    found = (line.partition("#")[0].strip() for line in text.splitlines())
    return [one for one in found if one]

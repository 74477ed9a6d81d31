"""What is in a machine image: the versions of its daemon and of what it is built on, as labels.

The image's install.sh asks the programs, and writes what they answer into a file of the image.
"""

from __future__ import annotations

import contextlib
import io
import tarfile

from dinv.errors import NotFound
from dinv.labels import LABEL_BASE, LABEL_CONTAINERD, LABEL_DOCKER, LABEL_RUNC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.engine import Engine
    from dinv.system.deadline import Deadline

CONTENTS = "/usr/local/lib/dinv/versions"
"""The file in the image: NAME VERSION on each line."""
_LABELS = {"docker": LABEL_DOCKER, "containerd": LABEL_CONTAINERD, "runc": LABEL_RUNC, "base": LABEL_BASE}
_LIMIT = 65536


def contents(text: bytes) -> dict[str, str]:
    """Return the labels for what the file CONTENTS says; {} if it is empty."""
    found = {}
    for line in text[:_LIMIT].decode(errors="replace").splitlines():
        name, _, version = line.partition(" ")
        if name in _LABELS and version.strip():
            found[_LABELS[name]] = version.strip()
    return found


def label(engine: Engine, image: str, tag: str, deadline: Deadline) -> str:
    """Name the image `tag`, with labels for what is in it; return its id, another than `image`.

    An image without the file CONTENTS is named as it is.
    """
    labels = contents(_read(engine, image, deadline))
    if not labels:
        engine.images.tag(image, tag, timeout=deadline)
        return image
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        dockerfile = f"FROM {image}\n".encode()
        member = tarfile.TarInfo("Dockerfile")
        member.size = len(dockerfile)
        tar.addfile(member, io.BytesIO(dockerfile))
    context.seek(0)
    return engine.images.build(context, tag=tag, labels=labels, timeout=deadline)


def _read(engine: Engine, image: str, deadline: Deadline) -> bytes:
    """Return the file CONTENTS of an image, from a container that is never started; b"" if there is none."""
    # The name is the image's: what a killed build has left is removed by the next one.
    name = f"dinv-contents-{image.removeprefix('sha256:')[:12]}"
    with contextlib.suppress(NotFound):
        engine.containers.remove(name, force=True, timeout=deadline)
    container, _ = engine.containers.create(name, {"Image": image, "Cmd": ["true"]}, timeout=deadline)
    try:
        with (
            engine.containers.archive_get(container, CONTENTS, timeout=deadline) as archive,
            tarfile.open(fileobj=archive, mode="r|") as tar,
        ):
            for member in tar:
                found = tar.extractfile(member)
                return found.read(_LIMIT) if found else b""
    except NotFound:
        pass
    finally:
        engine.containers.remove(container, force=True, timeout=deadline)
    return b""

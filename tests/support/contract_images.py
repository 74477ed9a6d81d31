"""Machine images that keep the contracts of others: dinv's own, with a script that plays their entrypoint."""

from __future__ import annotations

import io
import os
import tarfile
import uuid
from typing import TYPE_CHECKING

from dinv.labels import LABEL_CONTRACT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dinv.engine import Engine

_SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "images")
_REPOSITORY = f"dinv-contract-test-{uuid.uuid4().hex[:8]}"

# An empty label is none: these images are known by their looks, as the real ones are.
_LOOKS = (f'LABEL {LABEL_CONTRACT}=""', "CMD []")

DCH_PHOTON = f"{_REPOSITORY}:dch-photon"
OLD_DCH_PHOTON = f"{_REPOSITORY}:dch-photon-before-vic-1.5"
DIND = f"{_REPOSITORY}:dind"
NO_CONTAINERS = f"{_REPOSITORY}:no-containers"
"""Keeps dinv's own contract, and can start no container."""

# Says what runc says, where containerd reads it (containerd: runtime/v2/runc, in the file that --log names).
_RUNC = b"""#!/bin/sh
while [ $# -gt 0 ]; do [ "$1" != --log ] || log=$2; shift; done
echo '{"level": "error", "msg": "unable to apply caps: operation not permitted"}' >>"$log"
exit 1
"""

_DCH_PHOTON = (
    *_LOOKS,
    'ENTRYPOINT ["/dinv"]',
    "VOLUME /certs",
    "VOLUME /var/lib/docker",
    "EXPOSE 2375",
    "EXPOSE 2376",
)
_DIND = (
    *_LOOKS,
    'ENTRYPOINT ["dockerd-entrypoint.sh"]',
    "ENV DOCKER_TLS_CERTDIR=/certs",
    "ENV DIND_COMMIT=65cfcc28ab37cb75e1560e4b4738719c07c6618e",
    "VOLUME /var/lib/docker",
    "EXPOSE 2375",
    "EXPOSE 2376",
)


def make_all(engine: Engine, base: str) -> None:
    """Make DCH_PHOTON, OLD_DCH_PHOTON, which does not verify clients, DIND and NO_CONTAINERS from `base`."""
    dch = {"dinv": _source("dch-photon/dinv")}
    _make(engine, base, DCH_PHOTON, dch, _DCH_PHOTON)
    _make(engine, base, OLD_DCH_PHOTON, dch, (*_DCH_PHOTON, "ENV DCH_BEFORE_VIC_1_5=yes"))
    entrypoint = {"usr/local/bin/dockerd-entrypoint.sh": _source("dind/dockerd-entrypoint.sh")}
    _make(engine, base, DIND, entrypoint, _DIND)
    runc = {"usr/sbin/runc": _RUNC}
    _make(engine, base, NO_CONTAINERS, runc, ("ENV CONTAINERS=none",))


def remove_all(engine: Engine) -> None:
    for image in (DCH_PHOTON, OLD_DCH_PHOTON, DIND, NO_CONTAINERS):
        engine.call("DELETE", f"/images/{image}", query={"force": True})


def _source(name: str) -> bytes:
    with open(os.path.join(_SOURCES, name), "rb") as file:
        return file.read()


def _make(engine: Engine, base: str, image: str, programs: dict[str, bytes], changes: Sequence[str]) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in programs.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, io.BytesIO(content))
    container = engine.containers.create("", {"Image": base})[0]
    try:
        engine.containers.archive_put(container, "/", packed.getvalue())
        repository, _, tag = image.partition(":")
        query = {"container": container, "repo": repository, "tag": tag, "changes": "\n".join(changes)}
        engine.json("POST", "/commit", query=query, timeout=120)
    finally:
        engine.containers.remove(container)

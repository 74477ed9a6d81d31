"""Podman, by its Docker-compatible API (`podman system service`), rootful.

What differs from a Docker Engine, seen with Podman 4.3: a restart policy does nothing without the unit
podman-restart, the log driver is k8s-file under another name, and images without a registry in their name
are `localhost/NAME`, which its API finds by the short name too.
"""

from __future__ import annotations

from dinv.drivers.docker.flavours.engine import EngineFlavour


class PodmanFlavour(EngineFlavour):
    """Podman, by what its `/info` says."""

    name = "podman"
    title = "Podman"

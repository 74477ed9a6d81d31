"""Removes volumes that are labelled as scratch space and that no container uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import docker

LABEL = "scratch"


def tidy(client: docker.DockerClient) -> list[str]:
    """Remove them; returns their names, sorted."""
    removed = []
    for volume in client.volumes.list(filters={"label": LABEL, "dangling": "true"}):
        volume.remove()
        removed.append(volume.name)
    return sorted(removed)

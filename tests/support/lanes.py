"""How `pytest --numprocesses` shares out the integration tests; each of its workers has a dockerd of its own.

A file's tests stay on one worker, in order: they share machines. So do files that share what takes long to
make and is made once a worker. `--dist loadgroup --no-loadscope-reorder` takes both from the items.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

_TOGETHER = {
    "test_flavours_life.py": "podman",
    "test_flavours_trust.py": "podman",
    "test_flavours_adopt.py": "foreign_images",
    "test_flavours_images.py": "foreign_images",
    "test_flavours_registry_cache.py": "registry_cache",
    "test_life_registry_cache.py": "registry_cache",
    "test_image_examples.py": "example_image",
    "test_life_sshd.py": "example_image",
}
"""The groups of more than one file, by what is made for them."""

_FIRST = (
    *("test_vm_boot.py", "test_flavours_life.py", "test_flavours_trust.py", "test_flavours_adopt.py"),
    *("test_flavours_images.py", "test_life_swarm.py", "test_life_datacenter.py", "test_kubernetes.py"),
    *("test_life_verbs.py", "test_life_addresses.py", "test_life_crash.py", "test_day2_certificates.py"),
)
"""The longest, which would keep one worker alone at the end."""


def order(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return the items of integration tests with the longest files first, in order otherwise."""
    places = {name: place for place, name in enumerate(_FIRST)}
    return sorted(items, key=lambda item: places.get(item.path.name, len(places)))


def group(items: Sequence[pytest.Item]) -> None:
    """Mark each item with its group, which runs on one worker.

    A worker may start with any: its first test's time has the engine's start and the image's build in it.
    """
    begun = set()
    for item in items:
        name = _TOGETHER.get(item.path.name, item.path.stem)
        item.add_marker(pytest.mark.xdist_group(name))
        if name not in begun:
            item.add_marker(pytest.mark.timeout(900), append=False)
            begun.add(name)

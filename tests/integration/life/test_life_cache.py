"""The image cache persists: over stop and start, and over the machine itself when that is wanted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from users import User


def test_keep_cache_and_take_it_up_again(user: User) -> None:
    name = user.name("old")
    user.dinv("create", name)
    user.import_hello(name)
    image = user.docker(name, "images", "-q", "--no-trunc")
    user.docker(name, "volume", "create", "data")
    said = user.dinv("rm", "-y", "--keep-cache", name).stdout
    volume = f"dinv-{name}-cache"
    assert f"dinv create --cache-volume {volume}" in said
    assert user.traces(name) == [f"volume {volume}"]

    assert f"--cache-volume {volume}" in user.fails("create", name, status=3), "not taken up unasked"
    assert user.traces(name) == [f"volume {volume}"]

    heir = user.name("new")
    user.dinv("create", heir, "--cache-volume", volume)
    assert user.docker(heir, "images", "-q", "--no-trunc") == image
    assert "data" in user.docker(heir, "volume", "ls")
    assert user.docker(heir, "run", "--rm", "hello", "echo", "runs") == "runs\n"
    kept = user.dinv("rm", "-y", heir).stdout
    assert f"docker volume rm {volume}" in kept
    assert user.traces(heir) == []
    assert user.traces(name) == [f"volume {volume}"], "what was there before the machine outlives it"


def test_a_volume_of_the_users_own(user: User) -> None:
    name, volume = user.name("mine"), f"vol-{user.suffix}"
    with user.engine() as engine:
        engine.volumes.create(volume)
        user.dinv("create", name, "--cache-volume", volume)
        user.import_hello(name)
        said = user.fails("create", user.name("rival"), "--cache-volume", volume, status=3)
        assert f"in use by dinv-{name}" in said
        user.dinv("stop", name)
        user.fails("create", user.name("rival"), "--cache-volume", volume, status=3)
        user.dinv("rm", "-y", name)
        assert engine.volumes.inspect(volume)["Name"] == volume
        engine.volumes.remove(volume)


def test_a_size_for_a_volume_that_exists_is_refused(user: User) -> None:
    volume = f"vol-{user.suffix}"
    with user.engine() as engine:
        engine.volumes.create(volume)
    name = user.name("size")
    assert "--cache-size" in user.fails(
        "create", name, "--cache-volume", volume, "--cache-size", "2g", status=3
    )
    assert user.traces(name) == []


def test_images_outlive_a_kill_and_a_copy_has_them_all(user: User) -> None:
    """A copy has the extended attributes of layers, too: by them /d of the last one hides the /d below."""
    name, copy = user.name("first"), f"copy-{user.suffix}"
    user.dinv("create", name)
    user.import_hello(name)
    user.docker(name, "run", "--name", "one", "hello", "sh", "-c", "busybox mkdir /d; echo 1 > /d/old")
    user.docker(name, "commit", "one", "below")
    again = "busybox rm -r /d; busybox mkdir /d; echo 2 > /d/new"
    user.docker(name, "run", "--name", "two", "below", "sh", "-c", again)
    user.docker(name, "commit", "two", "above")
    images = _images(user, name)

    with user.engine() as engine:
        engine.containers.kill(f"dinv-{name}")
    user.dinv("start", name)
    assert _images(user, name) == images
    assert user.docker(name, "run", "--rm", "above", "busybox", "ls", "/d") == "new\n"

    assert "--stop" in user.fails("volume", "clone", name, copy)
    user.dinv("volume", "clone", "--stop", name, copy)
    heir = user.name("heir")
    user.dinv("create", heir, "--cache-volume", copy)
    assert _images(user, heir) == images
    assert user.docker(heir, "run", "--rm", "above", "busybox", "ls", "/d") == "new\n"
    assert user.docker(name, "run", "--rm", "above", "busybox", "ls", "/d") == "new\n", "it runs again"

    rows = {row["Name"]: row for row in json.loads(user.dinv("volume", "ls", "--format", "json").stdout)}
    assert (rows[copy]["Machine"], rows[copy]["State"]) == (heir, "in use")
    assert rows[copy]["Size"] > 0
    assert f'machine "{heir}"' in user.fails("volume", "rm", "-f", copy)
    user.dinv("rm", "-y", heir)
    user.dinv("rm", "-y", "--keep-cache", name)
    assert user.dinv("volume", "rm", copy).stdout == f"{copy}\n"
    assert f"dinv-{name}-cache" in user.dinv("volume", "prune", "-f").stdout
    assert user.traces(name) == []


def _images(user: User, name: str) -> list[str]:
    """The ids of a machine's images; docker shows those made in one second in no order."""
    return sorted(user.docker(name, "images", "-q", "--no-trunc").split())

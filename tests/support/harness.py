"""What the integration tests' fixtures are made of: the CLI, the images, what is on an endpoint."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest

import dinv
from dinv.errors import DinvError, NotFound
from dinv.image_building import builder, registry_cache

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dinv.engine import Engine
    from dinv.machine import Machine

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CACHE = os.path.join(CHECKOUT, ".cache")
IMAGE = "dinv:latest"
IMAGES_KEPT = 3
GREETING = "Hello from a container"

# What tests run in small images; busybox has them all, under its own name too.
_APPLETS = (
    *("sh", "cat", "cp", "dd", "df", "echo", "env", "false", "free", "grep", "head", "hostname", "httpd"),
    *("id", "ip", "ls", "mkdir", "mount", "nc", "nproc", "ping", "ps", "rm", "sleep", "stat", "sync", "test"),
    *("touch", "true", "uname", "wc", "wget"),
)


class Dinv:
    """The real command line in a process of its own; what it prints is kept as text."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)

    def __call__(
        self,
        *words: str,
        timeout: float = 120,
        check: bool = False,
        input: str | None = None,  # noqa: A002 - subprocess.run's word
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run `dinv WORDS`; `timeout` in seconds. With `check`, a test fails where the command does.

        `env` is in addition to the environment that the fixture has. Without `input`, standard input is
        empty.
        """
        done = subprocess.run(
            [sys.executable, "-m", "dinv", *words],
            input=input or "",
            capture_output=True,
            text=True,
            timeout=timeout,
            env=self._environment | dict(env or {}),
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        if check and done.returncode:
            pytest.fail(f"dinv {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done


def ensure_image(engine: Engine) -> None:
    """See to it that `engine` has the machine image of these sources: there, from the cache, or built.

    Building takes some 40 s, so what was built is kept in the checkout's .cache, under a hash of its sources.
    """
    _ensure(
        engine, IMAGE, "image-", builder.context(), lambda: builder.build(engine, base="debian", tag=IMAGE)
    )


def ensure_cache_image(engine: Engine) -> None:
    """The same for the image of registry caches, which takes some 15 s."""
    context = registry_cache.context()
    _ensure(engine, registry_cache.IMAGE, "cache-image-", context, lambda: registry_cache.build(engine))


def _ensure(engine: Engine, image: str, prefix: str, context: bytes, build: Callable[[], object]) -> None:
    sources = hashlib.sha256(context)
    sources.update(dinv.__version__.encode())
    cached = os.path.join(CACHE, f"{prefix}{sources.hexdigest()[:16]}.tar")
    if _has(engine, image) or _load(engine, image, cached):
        return
    build()
    _save(engine, image, prefix, cached)


def _has(engine: Engine, image: str) -> bool:
    try:
        engine.images.inspect(image)
    except NotFound:
        return False
    return True


def _load(engine: Engine, image: str, cached: str) -> bool:
    try:
        with open(cached, "rb") as archive:
            engine.images.load(archive)
    except FileNotFoundError:
        return False
    except DinvError:
        pass  # cut short or damaged; the engine has taken nothing of it
    if _has(engine, image):
        return True
    with contextlib.suppress(FileNotFoundError):
        os.unlink(cached)
    return False


def _forget_oldest(prefix: str) -> None:
    """Keep the images that were used last: several checkouts may share the cache, and tests run side by side.

    One that another is just writing has more behind its `.tar`, and is left alone.
    """
    ages = {}
    for entry in os.listdir(CACHE):
        if entry.startswith(prefix) and entry.endswith(".tar"):
            path = os.path.join(CACHE, entry)
            with contextlib.suppress(FileNotFoundError):
                ages[path] = os.path.getmtime(path)
    for path in sorted(ages, key=lambda path: ages[path])[: -(IMAGES_KEPT - 1)]:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _save(engine: Engine, image: str, prefix: str, cached: str) -> None:
    os.makedirs(CACHE, exist_ok=True)
    _forget_oldest(prefix)
    unfinished = f"{cached}.{os.getpid()}"
    try:
        with (
            engine.request("GET", f"/images/{image}/get", timeout=120) as response,
            open(unfinished, "wb") as file,
        ):
            while data := response.read_some():
                file.write(data)
        os.replace(unfinished, cached)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(unfinished)


def load_small_image(machine: Machine) -> str:
    """Give a machine's daemon the image of `import_busybox`; returns its name."""
    with machine.engine(timeout=60) as engine:
        import_busybox(engine)
    return "hello"


def import_busybox(engine: Engine) -> None:
    """Make the image `hello`: a static busybox, which greets when run without a command."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.fail("busybox is not installed: apt-get install busybox-static")
    engine.images.import_(
        io.BytesIO(_busybox_tree(busybox)),
        repo="hello",
        tag="latest",
        changes=[f'CMD ["/bin/echo", "{GREETING}"]', "ENV PATH=/bin"],
    )


def _busybox_tree(busybox: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for directory in ("bin", "etc", "proc", "root", "sys", "tmp", "www"):
            member = tarfile.TarInfo(directory)
            member.type, member.mode = tarfile.DIRTYPE, 0o1777 if directory == "tmp" else 0o755
            tar.addfile(member)
        program = tar.gettarinfo(busybox, "bin/busybox")
        with open(busybox, "rb") as file:
            tar.addfile(program, file)
        for applet in _APPLETS:
            member = tarfile.TarInfo(f"bin/{applet}")
            member.type, member.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(member)
    return buffer.getvalue()


def inventory(engine: Engine) -> set[tuple[str, str]]:
    """All containers, volumes and networks of an endpoint, as pairs of kind and name."""
    return (
        {("container", container["Names"][0].lstrip("/")) for container in engine.containers.list(all=True)}
        | {("volume", volume["Name"]) for volume in engine.volumes.list()}
        | {("network", network["Name"]) for network in engine.networks.list()}
    )


def clear(engine: Engine, things: set[tuple[str, str]]) -> None:
    """Remove from an endpoint what a test has left, so that the next one is judged for itself."""
    for kind, name in sorted(things):  # containers before networks and volumes: these may be in use
        with contextlib.suppress(DinvError):
            if kind == "container":
                engine.containers.remove(name, force=True, volumes=True)
            elif kind == "network":
                engine.networks.remove(name)
            else:
                engine.volumes.remove(name, force=True)

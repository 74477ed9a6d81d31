"""Sources of the images to load into a machine: engines, or a `docker save` archive."""

from __future__ import annotations

import contextlib
import os
import sys

from dinv.access import load
from dinv.drivers.machine_urls import machine_urls
from dinv.endpoints.resolve import Endpoint, resolve
from dinv.errors import InputError, NoEndpoint
from dinv.lifecycle.host import clients
from dinv.wording import either

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from dinv.engine import Engine
    from dinv.lifecycle.host import Host
    from dinv.progress import Progress


def load_images(
    host: Host,
    images: Sequence[str],
    progress: Progress,
    *,
    source: str | None = None,
    archive: str | None = None,
) -> None:
    """See `Machine.load_images`."""
    if bool(images) == bool(archive):
        raise InputError(
            "Name the images to load, or an archive with " + either("archive=FILE", "--input FILE")
            if not images
            else "Images and " + either("archive", "--input") + " exclude each other: give one of them"
        )
    with contextlib.ExitStack() as stack:
        if archive:
            content = stack.enter_context(_open(archive))
            load.load_archive(stack.enter_context(clients.engine(host)), content, progress)
            return
        engines = [stack.enter_context(engine) for engine in _engines(host, source)]
        load.load(stack.enter_context(clients.engine(host)), images, engines, progress)


def _engines(host: Host, named: str | None) -> Iterator[Engine]:
    """Yield the engines that may have an image, in the order in which they are asked."""
    if named:
        cert_path = os.environ.get("DINV_ENDPOINT_CERT_PATH")
        endpoint = resolve(
            named, host.store, machine_urls=machine_urls, cert_path=cert_path, trace=host.trace
        )
        yield endpoint.engine(trace=host.trace)
        return
    with contextlib.suppress(NoEndpoint):
        endpoint = resolve(None, host.store, machine_urls=machine_urls, trace=host.trace)
        yield endpoint.engine(trace=host.trace)
    if host.driver.provisioned:
        yield Endpoint.recorded(host.config.driver.get("Endpoint") or {}).engine(trace=host.trace)


@contextlib.contextmanager
def _open(path: str) -> Iterator[BinaryIO]:
    if path == "-":
        yield sys.stdin.buffer
        return
    try:
        file = open(path, "rb")  # noqa: SIM115  (closed below)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    with file:
        yield file

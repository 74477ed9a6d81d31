"""The machine images of one endpoint, for users of the library: `Machines.images`."""

from __future__ import annotations

import contextlib
import os
from typing import NamedTuple, Self

from dinv.errors import ImageBuildError, InputError
from dinv.image_building import additions, builder, own_image, pushing, sources
from dinv.images import DEFAULT_IMAGE
from dinv.progress import Progress
from dinv.system import scratch
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from dinv.engine import Engine
    from dinv.image_building.builder import MachineImage
    from dinv.image_building.vm.exporting import ExportedImage


class PushedImage(NamedTuple):
    """An image that was pushed to a registry."""

    id: str
    """The image's id on the endpoint."""
    name: str
    """REGISTRY/NAME@DIGEST; with the tag in place of the digest if the registry answers none."""


class MachineImages:
    """The machine images of one endpoint. A context manager, which closes the connections at its end."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the endpoint."""
        self._engine.close()

    @property
    def endpoint(self) -> str:
        """The address of the endpoint, such as unix:///var/run/docker.sock."""
        return self._engine.address

    def build(
        self,
        *,
        directory: str | None = None,
        base: str | None = None,
        tag: str | None = None,
        features: Sequence[str] = (),
        network: str = "",
        timeout: float = builder.BUILD_SECONDS,
        progress: Progress | None = None,
    ) -> MachineImage:
        """Build a machine image, and name it `tag`.

        Without `directory` that is the official one, from dinv's sources, or that with some `features`
        (`Machines.write_image_source`). With one, it is the image that the directory is the source of;
        `network` is the endpoint's for its steps, such as "host". `tag` is "dinv:latest" for the official
        image, else a name made of the directory's, or of the features.

        `base` is "photon", "debian" or an image's name: Photon OS, Debian or Ubuntu, or derived from one.
        None is what a directory says; else "photon" where the endpoint has it or can pull it, else "debian".
        For a directory without the whole sources it is the machine image that its own is made of.

        A feature may also be a program that is put in: "k3s=FILE" (k0s, kubeadm), a program of this computer
        or a tar that has it at its place; "k3s=VERSION" or "k3s=VERSION@sha256:HEX", a release that the
        endpoint fetches. It is a layer on `base`, which the endpoint has; by default on "dinv:latest".

        `timeout` is in seconds, for all of it. Raises InputError, ImageBuildError, also at once for an
        endpoint that cannot build, DeadlineExceeded.
        """
        progress = progress or Progress()
        with contextlib.ExitStack() as stack:
            chosen, added = additions.split(features)
            if features and directory is not None:
                raise InputError(
                    f"{directory} has the features that its Dockerfile says. To add some: "
                    + command("image", "init")
                )
            names = "-".join(text.partition("=")[0] for text in features)
            beneath = base or DEFAULT_IMAGE
            if chosen:
                made = stack.enter_context(scratch.directory("dinv-image-"))
                directory = os.path.join(made, names)
                sources.init(directory, base=base, chosen=chosen)
                base, beneath = None, ""
            name = tag or (DEFAULT_IMAGE if not features and directory is None else "")
            name = name or sources.default_tag(directory or names)

            def make(tag: str) -> str:
                if directory is None:
                    return builder.build(
                        self._engine, base=base, tag=tag, report=progress.update, timeout=timeout
                    )
                return own_image.build(
                    self._engine,
                    directory,
                    base=base,
                    tag=tag,
                    network=network,
                    report=progress.update,
                    timeout=timeout,
                )

            with progress.working("Image", f"building {name}"):
                identity = (
                    additions.build(
                        self._engine,
                        added,
                        base=beneath,
                        make=make,
                        tag=name,
                        report=progress.update,
                        timeout=timeout,
                    )
                    if added
                    else make(name)
                )
        # Engines before API 1.29, and Podman, answer less than the id in the list.
        digits = identity.removeprefix("sha256:")
        for image in self.list():
            if image.id.removeprefix("sha256:").startswith(digits):
                progress.line("Image", name, f"built on {image.base}")
                return image
        raise ImageBuildError(f"{name} was built, and {self.endpoint} does not have it any more.")

    def push(
        self,
        reference: str,
        *,
        image: str = "",
        base: str | None = None,
        progress: Progress | None = None,
    ) -> PushedImage:
        """Push a machine image to a registry, for endpoints that can only pull: REGISTRY/NAME[:TAG].

        `image` names it; by default it is the newer of `reference` and "dinv" on the endpoint, and if it has
        neither, one is built on `base`, as in `build`. The endpoint keeps it under both names. Credentials
        are those of docker's CLI. Raises InputError for a reference without a registry or with a digest,
        ImageError, ImageBuildError.
        """
        identity, name = pushing.push(self._engine, reference, progress or Progress(), image=image, base=base)
        return PushedImage(identity, name)

    def export(
        self,
        reference: str,
        path: str,
        *,
        format: str = "qcow2",  # noqa: A002 - the option's name
        size: int | None = None,
        kernel: str = "",
        progress: Progress | None = None,
    ) -> ExportedImage:
        """Write an image of the endpoint with a kernel to the file `path`: a virtual machine that runs it.

        `format`: "qcow2" and "raw" are disks, which start by themselves on PCs with a BIOS; "tar" has
        the same files. `size` is the disk's, in bytes (10 GiB); `kernel` a Debian package
        (linux-image-cloud-amd64).
        Raises InputError, also where one of the files is there already, ImageMissing, ImageExportError,
        ImageBuildError, ProgramMissing, DeadlineExceeded.
        """
        from dinv.image_building.vm import exporting, kit

        return exporting.export(
            self._engine,
            reference,
            path,
            progress or Progress(),
            format=format,
            size=exporting.SIZE if size is None else size,
            kernel=kernel or kit.KERNEL,
        )

    # Last, because within the class body `list` means this method from here on

    def list(self) -> list[MachineImage]:
        """Return the machine images that the endpoint has, newest first."""
        return builder.image_list(self._engine)

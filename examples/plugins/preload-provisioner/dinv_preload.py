"""A provisioner that gives new machines images before anybody uses them, from archives of `docker save`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from dinv.declaration import PATH, Option
from dinv.engine import Engine, TLSFiles, parse_address
from dinv.provisioners.docker import DockerProvisioner

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dinv.progress import Progress
    from dinv.store.record import MachineConfig

PRELOAD = Option(
    "preload",
    "DINV_PRELOAD",
    "archive of images, as docker save writes it, that the new machine begins with",
    type=PATH,
    metavar="FILE",
    repeatable=True,
)


class PreloadProvisioner(DockerProvisioner):
    """dinv's own, and images."""

    name = "preload"

    @classmethod
    def create_flags(cls) -> Sequence[Option]:
        return (*super().create_flags(), PRELOAD)

    @classmethod
    def record(cls, config: MachineConfig, options: Mapping[str, Any]) -> None:
        for path in options["preload"]:
            if not os.path.isfile(path):
                raise PRELOAD.refused(path, "is not a file")
        super().record(config, options)

    def prove(self, progress: Progress) -> None:
        """Called once, when a new machine answers."""
        super().prove(progress)
        directory = self.config.directory
        tls = TLSFiles(*(os.path.join(directory, f"{name}.pem") for name in ("ca", "cert", "key")))
        with Engine(parse_address(self.driver.url, tls), timeout=60) as engine:
            for path in self.options["preload"]:
                with progress.working("Images", f"loading {path}"), open(path, "rb") as archive:
                    loaded = engine.images.load(archive)
                progress.line("Images", ", ".join(loaded), "loaded")

"""An image with all the features that `image init` knows, for tests: sshd, a registry's CA, an image."""

from __future__ import annotations

import os
import subprocess
import tempfile
from typing import TYPE_CHECKING

from harness import import_busybox

from dinv.image_building import own_image, sources

if TYPE_CHECKING:
    from dinv.engine import Engine

EXAMPLES = ("preloaded", "registry-ca", "sshd")
IMAGE = "dinv-examples:latest"
REGISTRY = "registry.test:5000"


def build(engine: Engine) -> str:
    """Build it on `engine`, and return its name. The package of sshd comes from Debian's mirror."""
    with tempfile.TemporaryDirectory() as directory:
        import_busybox(engine)
        try:
            archive = os.path.join(directory, "hello.tar")
            with engine.request("GET", "/images/hello/get") as response, open(archive, "wb") as file:
                while data := response.read_some():
                    file.write(data)
        finally:
            engine.images.remove("hello")
        own = os.path.join(directory, "own")
        sources.init(own, chosen=[f"preloaded={archive}", *EXAMPLES[1:]])
        place = os.path.join(own, "registry-ca", "certs.d", REGISTRY)
        os.mkdir(place)
        subprocess.run(
            [
                *(
                    "openssl",
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                    "-nodes",
                ),
                *("-subj", "/CN=x", "-keyout", os.devnull, "-out", os.path.join(place, "ca.crt")),
            ],
            check=True,
            capture_output=True,
        )
        own_image.build(engine, own, tag=IMAGE, network="host")
    return IMAGE

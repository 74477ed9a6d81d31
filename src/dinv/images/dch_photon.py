"""The contract of VMware's dch-photon images, 1.13, 17.06 and 18.06, unchanged.

(vmware/vic-product: dinv/main.go, dinv/certs.go, dinv/dch-photon-18.06/Dockerfile.) `/dinv` takes a few flags
and runs dockerd; with `-tlsverify` it needs six files in /certs, and if one is missing makes all of them
anew, with a CA of its own (vic-product#1930). Three of the six do not belong in a machine: they are
placeholders. Images from before VIC 1.5 do not verify clients in spite of `-tlsverify` (vic-product#1903);
dinv finds that out after the start and refuses such a machine.
"""

from __future__ import annotations

from dinv import wording
from dinv.channel import File
from dinv.errors import OptionError
from dinv.images import DOCKER_PID_FILES, ImageContract
from dinv.images.options import dockerd_environment
from dinv.images.preparation import CGROUPS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_PLACEHOLDER = b"Not here: dinv keeps this key on the user's side.\n"

_CANNOT = {
    "ArbitraryFlags": "engine-opt",
    "Labels": "engine-label",
    "RegistryMirror": "engine-registry-mirror",
}


class DchPhotonContract(ImageContract):
    """Six files in /certs, a handful of flags."""

    name = "dch-photon"
    mounts = {"cache": "/var/lib/docker", "certs": "/certs"}  # noqa: RUF012  (declared as Mapping by the seam)
    activation_signal = ""
    waits_for_certificates = False
    preparation = CGROUPS
    pid_files = DOCKER_PID_FILES
    certificate_paths = ("/certs/ca.crt", "/certs/docker.crt", "/certs/docker.key")
    known_not_to_verify = "Those of dch-photon do not before VIC 1.5, in spite of -tlsverify"

    own_certificates = "rm -rf /certs/*"

    def cannot_adopt(self, config: Mapping[str, Any]) -> str:
        flags = {}
        for word in config.get("Cmd") or ():
            if word.startswith("-"):
                name, _, value = word.lstrip("-").partition("=")
                flags[name] = value.lower() not in ("0", "f", "false")
        if flags.get("local"):
            return "its /dinv was started with -local, and listens on no TCP port"
        if not flags.get("tlsverify"):
            port = (
                "2376 by TLS that asks no client for a certificate"
                if flags.get("tls")
                else "2375 by plain TCP"
            )
            return f"its /dinv was started without -tlsverify, and listens on port {port}"
        return ""

    @classmethod
    def recognises(cls, config: Mapping[str, Any]) -> bool:
        return list(config.get("Entrypoint") or ()) == ["/dinv"]

    def environment(self, options: Mapping[str, Any], *, wait_seconds: float) -> Mapping[str, str]:
        # Its dockerd inherits only the proxy variables on purpose; it gets what the user asked for.
        return dockerd_environment(options)

    def command(self, options: Mapping[str, Any], driver_name: str) -> Sequence[str]:
        for key, option in _CANNOT.items():
            if options.get(key):
                raise OptionError(
                    "cannot be given to a dch-photon image: /dinv has no flag for it", option=option
                )
        registries = options.get("InsecureRegistry") or ()
        if len(registries) > 1:
            raise OptionError(
                "A dch-photon image takes one "
                + wording.option("engine-insecure-registry")
                + ": of several its /dinv uses the last"
            )
        flags = ["-tlsverify"]
        if options.get("StorageDriver"):
            flags += ["-storage", str(options["StorageDriver"])]
        for registry in registries:
            flags += ["-insecure-registry", registry]
        return flags

    def files(
        self,
        *,
        ca: bytes,
        certificate: bytes,
        key: bytes,
        options: Mapping[str, Any],
        driver_name: str,
    ) -> list[File]:
        ca_path, certificate_path, key_path = self.certificate_paths
        return [
            File("/certs/ca-key.pem", _PLACEHOLDER),
            File("/certs/docker-client.crt", _PLACEHOLDER),
            File("/certs/docker-client.key", _PLACEHOLDER),
            File(ca_path, ca),
            File(certificate_path, certificate),
            File(key_path, key, 0o600),
        ]

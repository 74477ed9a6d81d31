"""The contract of Docker's own docker:dind images.

(docker-library/docker: dockerd-entrypoint.sh.) With DOCKER_TLS_CERTDIR set it runs dockerd with mutual TLS on
2376. It makes certificates of its own there, three RSA-4096 keys, unless `server/` has ca.pem, cert.pem and
key.pem and there is no CA key: then it uses these. Its arguments are dockerd's flags. It prepares cgroup v2
only, and only if it may write to it.
"""

from __future__ import annotations

from dinv.channel import File
from dinv.images import DOCKER_PID_FILES, ImageContract
from dinv.images.options import default_arguments, dockerd_arguments, dockerd_environment
from dinv.images.preparation import CGROUPS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_CERTIFICATES = "/certs"


class DindContract(ImageContract):
    """Certificates in /certs/server, dockerd's flags as command."""

    name = "dind"
    mounts = {"cache": "/var/lib/docker"}  # noqa: RUF012  (declared as Mapping by the seam)
    activation_signal = ""
    waits_for_certificates = False
    preparation = CGROUPS
    pid_files = DOCKER_PID_FILES
    """Its entrypoint removes docker's, but not containerd's."""
    certificate_paths = (
        f"{_CERTIFICATES}/server/ca.pem",
        f"{_CERTIFICATES}/server/cert.pem",
        f"{_CERTIFICATES}/server/key.pem",
    )

    # With a CA's key among them it makes new certificates at each start, in place of the given ones.
    adoption_files = (File(f"{_CERTIFICATES}/ca/key.pem", b"", 0o600),)
    own_certificates = f"rm -rf {_CERTIFICATES}/*"

    def cannot_adopt(self, config: Mapping[str, Any]) -> str:
        variables = dict(text.partition("=")[::2] for text in config.get("Env") or ())
        certificates = variables.get("DOCKER_TLS_CERTDIR", "")
        if not certificates:
            return "its entrypoint was started without DOCKER_TLS_CERTDIR: it listens on plain TCP, port 2375"
        if certificates != _CERTIFICATES:
            return f"it has its certificates in {certificates}, and not in {_CERTIFICATES}"
        command = list(config.get("Cmd") or ())
        if command and not command[0].startswith("-"):
            # Only arguments that begin with a dash get the flags for TLS (docker-library/docker).
            return f"its entrypoint was told to run {command[0]}, which it runs without its flags for TLS"
        return ""

    @classmethod
    def recognises(cls, config: Mapping[str, Any]) -> bool:
        entrypoint = " ".join(config.get("Entrypoint") or ())
        variables = {text.partition("=")[0] for text in config.get("Env") or ()}
        ours = variables & {"DIND_COMMIT", "DOCKER_TLS_CERTDIR"}
        return "dockerd-entrypoint.sh" in entrypoint and bool(ours)

    def environment(self, options: Mapping[str, Any], *, wait_seconds: float) -> Mapping[str, str]:
        return {**dockerd_environment(options), "DOCKER_TLS_CERTDIR": _CERTIFICATES}

    def command(self, options: Mapping[str, Any], driver_name: str) -> Sequence[str]:
        return [*default_arguments(options), *dockerd_arguments(options, driver_name)]

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
        return [File(ca_path, ca), File(certificate_path, certificate), File(key_path, key, 0o600)]

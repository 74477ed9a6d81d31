"""The none provisioner: for a daemon in which dinv changes nothing."""

from __future__ import annotations

from dinv import errors
from dinv.pki import client_files
from dinv.provisioners import DockerdProvisioner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

    from dinv.progress import Progress
    from dinv.store.record import MachineConfig


class NoneProvisioner(DockerdProvisioner):
    """Only says how the daemon is reached; options of its engine are recorded as in docker-machine."""

    name = "none"
    provisions = False

    def provision(self) -> None:
        self._cannot()

    def activate(self, *, starting: bool = False) -> None:
        self._cannot()

    def health(self, *, timeout: float, progress: Progress) -> str:
        self._cannot()

    def _cannot(self) -> NoReturn:
        raise errors.NotSupported(
            self.config.name, f'Machine "{self.config.name}" has no driver: dinv puts nothing into it.'
        )

    @classmethod
    def credentials(cls, config: MachineConfig) -> Mapping[str, str]:
        url = str(config.driver.get("URL", ""))
        given = config.driver.get("TLS", False)
        certificates = config.cert_directory
        if given is None:
            # There were none when it was recorded. If made since, they are for it, as in docker-machine.
            given = client_files.complete(certificates)
        if not given:
            return {"DOCKER_HOST": url, "DOCKER_MACHINE_NAME": config.name}
        return {
            "DOCKER_TLS_VERIFY": "1",
            "DOCKER_HOST": url,
            "DOCKER_CERT_PATH": certificates,
            "DOCKER_MACHINE_NAME": config.name,
        }

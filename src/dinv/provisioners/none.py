"""The none provisioner: a daemon that is as it is, and that dinv changes nothing of."""

from __future__ import annotations

from dinv.errors import InputError
from dinv.provisioners import Provisioner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

    from dinv.config import MachineConfig
    from dinv.progress import Progress


class NoneProvisioner(Provisioner):
    """Says how the daemon is reached, and no more."""

    name = "none"

    def provision(self) -> None:
        self._cannot()

    def activate(self) -> None:
        self._cannot()

    def health(self, *, timeout: float, progress: Progress) -> str:  # noqa: ARG002  (the seam's)
        self._cannot()

    def _cannot(self) -> NoReturn:
        raise InputError(f'Machine "{self.config.name}" has no driver: dinv puts nothing into it.')

    @classmethod
    def credentials(cls, config: MachineConfig) -> Mapping[str, str]:
        reached = {
            "DOCKER_HOST": str(config.driver.get("URL", "")),
            "DOCKER_MACHINE_NAME": config.name,
        }
        if not config.driver.get("TLS"):
            return reached
        return {"DOCKER_TLS_VERIFY": "1", **reached, "DOCKER_CERT_PATH": config.directory}

"""The provisioner itself. `env` loads this file and nothing else of the folder."""

from __future__ import annotations

import os

from dinv.provisioners.docker import DockerProvisioner
from dinv.provisioners.kubernetes import KUBECONFIG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from dinv.declaration import Option
    from dinv.provisioners.kubernetes.membership import KubernetesMembership
    from dinv.provisioners.membership import Standing
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store


class KubernetesProvisioner(DockerProvisioner):
    """As docker, and the machine begins a cluster or joins one."""

    name = "kubernetes"

    @classmethod
    def create_flags(cls) -> Sequence[Option]:
        from dinv.provisioners.kubernetes.options import OPTIONS

        return (*super().create_flags(), *OPTIONS)

    @classmethod
    def record(cls, config: MachineConfig, options: Mapping[str, Any]) -> None:
        from dinv.provisioners.kubernetes.options import check

        check(options)
        super().record(config, options)

    def membership(self) -> KubernetesMembership:
        from dinv.provisioners.kubernetes.membership import KubernetesMembership

        return KubernetesMembership(
            self.config, self.driver, self.contract, options=self.options, trace=self.trace
        )

    def ports(self) -> Sequence[int]:
        membership = self.membership()
        return (membership.distribution.port,) if membership.serves_api else ()

    def provision(self) -> None:
        super().provision()
        if self.config.membership:
            self.membership().put_files()

    @classmethod
    def standings(
        cls,
        configs: Iterable[MachineConfig],
        store: Store,
        *,
        timeout: float,
        trace: Callable[[str], None] | None = None,
    ) -> Mapping[str, Standing]:
        from dinv.provisioners.kubernetes import servers

        return servers.standings(list(configs), timeout=timeout, trace=trace)

    @classmethod
    def kubeconfig_path(cls, config: MachineConfig) -> str:
        return os.path.join(config.directory, KUBECONFIG)

    @classmethod
    def credentials(cls, config: MachineConfig) -> Mapping[str, str]:
        found = dict(super().credentials(config))
        path = cls.kubeconfig_path(config)
        if os.path.exists(path):
            found["KUBECONFIG"] = path
        return found

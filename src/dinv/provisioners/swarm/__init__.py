"""The swarm provisioner: a machine that serves Docker and is a node of a swarm.

options.py     its options
membership.py  its part in the swarm, with the other files
"""

from __future__ import annotations

from dinv.errors import InputError
from dinv.labels import LABEL_ID
from dinv.provisioners.docker import DockerProvisioner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from dinv.declaration import Option
    from dinv.provisioners.membership import Standing
    from dinv.provisioners.swarm.membership import SwarmMembership
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store


class SwarmProvisioner(DockerProvisioner):
    """As docker, and the machine begins a swarm or joins one."""

    name = "swarm"
    cluster = "swarm"

    @classmethod
    def create_flags(cls) -> Sequence[Option]:
        from dinv.provisioners.swarm.options import OPTIONS

        return (*super().create_flags(), *OPTIONS)

    @classmethod
    def record(cls, config: MachineConfig, options: Mapping[str, Any]) -> None:
        from dinv.provisioners.swarm.options import check

        super().record(config, options)
        check(options, config.engine_options.get("ArbitraryFlags") or ())
        # By this the swarm's managers know which node is which machine, even one of which nothing is left.
        labels = config.engine_options.get("Labels") or ()
        config.engine_options["Labels"] = [*labels, f"{LABEL_ID}={config.identity}"]

    def changes(self, values: Mapping[str, Any]) -> dict[str, Any]:
        from dinv.provisioners.swarm.options import check_flags

        found = super().changes(values)
        check_flags(found.get("ArbitraryFlags") or ())
        label = f"{LABEL_ID}={self.config.identity}"
        if "Labels" in found and label not in found["Labels"]:
            raise InputError(
                f"The engine label {LABEL_ID} is how the swarm knows the machine: it stays as it is"
            )
        return found

    def membership(self) -> SwarmMembership:
        from dinv.provisioners.swarm.membership import SwarmMembership

        made = SwarmMembership(
            self.config, self.driver, self.contract, options=self.options, trace=self.trace
        )
        made.kind = self.cluster
        return made

    @classmethod
    def standings(
        cls,
        configs: Iterable[MachineConfig],
        store: Store,
        *,
        timeout: float,
        trace: Callable[[str], None] | None = None,
    ) -> Mapping[str, Standing]:
        from dinv.provisioners.swarm import standings

        return standings.ask(configs, timeout=timeout, trace=trace)

"""The datacenter provisioner: Docker Datacenter, UCP (MKE 3) and DTR (MSR 2), on machines of a swarm.

options.py     its options
membership.py  its part in the datacenter, with the other files
"""

from __future__ import annotations

from dinv.provisioners.swarm import SwarmProvisioner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from dinv.declaration import Option
    from dinv.provisioners.datacenter.membership import DatacenterMembership
    from dinv.store.record import MachineConfig


class DatacenterProvisioner(SwarmProvisioner):
    """As swarm, and the first machine has UCP installed, which the others are taken into."""

    name = "datacenter"
    cluster = "datacenter"

    @classmethod
    def create_flags(cls) -> Sequence[Option]:
        from dinv.provisioners.datacenter.options import OPTIONS

        return (*super().create_flags(), *OPTIONS)

    @classmethod
    def record(cls, config: MachineConfig, options: Mapping[str, Any]) -> None:
        from dinv.provisioners.datacenter.options import check

        check(options, joining=bool(options.get("join")))
        super().record(config, options)

    def ports(self) -> Sequence[int]:
        options, member = self.options, self.membership()
        found = [member.controller_port] if member.is_to_manage else []
        return [*found, options["dtr_https_port"]] if options["dtr_image"] else found

    def membership(self) -> DatacenterMembership:
        from dinv.provisioners.datacenter.membership import DatacenterMembership

        made = DatacenterMembership(
            self.config, self.driver, self.contract, options=self.options, trace=self.trace
        )
        made.kind = self.cluster
        return made

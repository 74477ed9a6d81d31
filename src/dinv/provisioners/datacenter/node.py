"""The node that a machine of a datacenter is: what all that happens to it has in common."""

from __future__ import annotations

import contextlib

from dinv.errors import DinvError
from dinv.formats import host_port
from dinv.pki import client_files
from dinv.provisioners.datacenter import bundle, password
from dinv.provisioners.membership import ROLE
from dinv.provisioners.swarm import addresses, keys, managers
from dinv.provisioners.swarm.membership import SwarmMembership
from dinv.provisioners.swarm.options import MANAGER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.store.record import MachineConfig

# Keys of `config.membership`, besides those of the swarm
INSTALLER = "UCP"
"""The image of UCP's installer, with its version, once UCP is there."""
PORT = "ControllerPort"
ADMINISTRATOR = "Administrator"


class DatacenterNode(SwarmMembership):
    """A machine's part in a datacenter, as far as UCP and DTR share it."""

    @property
    def is_manager(self) -> bool:
        """Whether it is recorded as a manager."""
        return self.config.membership.get(ROLE) == MANAGER

    @property
    def is_to_manage(self) -> bool:
        """Whether it is to be a manager, by its options."""
        return self.begins or self.options["role"] == MANAGER

    @property
    def controller_port(self) -> int:
        """The port of UCP's API, the same on all managers."""
        found = self.config.membership.get(PORT)
        if not found and not self.begins:
            with contextlib.suppress(DinvError):
                found = self.store.load(str(self.options["join"])).membership.get(PORT)
        return int(found or self.options["ucp_controller_port"])

    @property
    def administrator(self) -> str:
        """The name of UCP's administrator."""
        return str(self.config.membership.get(ADMINISTRATOR) or self.options["ucp_admin_username"])

    def password(self) -> str:
        """Return the administrator's password: given, or kept here or with another machine; "" if unknown.

        Raises OptionError for a file that cannot be read.
        """
        found = password.given(self.options) or password.kept(self.config.directory)
        if found:
            return found
        kept = (password.kept(each.directory) for each in self.others())
        return next((each for each in kept if each), "")

    def unlock_key(self) -> str:
        """Return the key of a swarm with autolock; "" if it has none."""
        return next(iter(keys.read(self.config.directory)), "")

    def others(self) -> list[MachineConfig]:
        """Return the other machines of the cluster in this store, managers first."""
        config = self.config
        if not config.membership.get(managers.SWARM_ID) and self.options["join"]:
            config = self.config_with_peer()
        return managers.members(self.store, config)

    def has_others(self) -> bool:
        """Whether this store has other machines of the cluster."""
        return bool(self.others())

    def address_of(self, config: MachineConfig) -> str:
        """Return the address of a machine's node, as it was recorded; "" if it is not known."""
        found, _ = host_port.of_url(
            f"tcp://{config.membership.get(managers.ADDRESS) or ''}", missing=addresses.PORT
        ) or ("", 0)
        return found

    def bundled_manager(self) -> MachineConfig | None:
        """Return a manager of the cluster whose client bundle this store has: the machine, or another."""
        for each in (self.config, *self.others()):
            if client_files.complete(bundle.path_in(each.directory)):
                return each
        return None

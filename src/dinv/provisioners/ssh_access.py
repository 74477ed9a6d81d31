"""SSH into a machine whose image has a server: who is let in, and by which key the server is known.

The server's key is made here and put in, as that of its TLS certificate is. So ssh knows it from the first
connection on, nothing is trusted because it was the first to answer, and it stays the same in a machine that
is made anew.
"""

from __future__ import annotations

from dinv.channel import File
from dinv.drivers.ssh_address import alias_of
from dinv.errors import LocalError
from dinv.labels import FEATURE_SSHD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.drivers import Driver
    from dinv.images import ImageContract
    from dinv.store.record import MachineConfig


def files(config: MachineConfig, driver: Driver, contract: ImageContract) -> list[File]:
    """Return what a machine's SSH server is given; nothing for a machine that has none. Raises LocalError.

    Keys that are not in the machine's directory yet are made there.
    """
    if not contract.authorized_keys or FEATURE_SSHD not in driver.features:
        return []
    from dinv.pki import ssh_keys

    comment, directory = f"dinv {config.name}", config.directory
    try:
        public, private = ssh_keys.server_key(directory, comment, alias_of(config))
        authorized = ssh_keys.user_key(directory, comment)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise LocalError(
            f'The SSH keys of machine "{config.name}", {ssh_keys.USER} and {ssh_keys.SERVER} in {directory}, '
            f"cannot be used: {why}. One that is not there is made."
        ) from error
    return [
        File(f"{contract.host_key}.pub", public),
        File(contract.host_key, private, 0o600),
        File(contract.authorized_keys, authorized, 0o600),
    ]

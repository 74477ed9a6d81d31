"""A machine's kubeconfig: its own, and its entry in the user's."""

from __future__ import annotations

import os

from dinv.errors import KubeconfigError, MachineBusy, NoKubeconfig, NotSupported
from dinv.lifecycle.changing import changing
from dinv.lifecycle.opening import check_finished
from dinv.provisioners.membership import KUBECONFIG
from dinv.system import files, kubeconfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.lifecycle.host import Host


def path(host: Host) -> str:
    """Return the path of its own kubeconfig, which is there.

    Raises NoKubeconfig, MachineUnfinished, MachineBusy.
    """
    if host.config.unfinished:
        holder = host.store.holder(host.name)
        if holder is not None:
            raise MachineBusy(host.name, holder)
        host.catch_up()
        check_finished(host.config)
    found = host.provisioner.kubeconfig_path(host.config)
    if not found or not os.path.exists(found):
        raise NoKubeconfig(host.name, host.config.provisioner, found)
    return found


def read(host: Host) -> str:
    """Return what is in its own kubeconfig. Raises NoKubeconfig, MachineUnfinished, KubeconfigError."""
    found = path(host)
    try:
        return files.read(found, largest=kubeconfig.LARGEST).decode()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise KubeconfigError(found, f"it cannot be read ({why})") from error


def merge(host: Host, into: str = "", *, use: bool | None = None) -> tuple[str, str]:
    """Put its entry into the user's kubeconfig, or the file `into`; return the file and the context's name.

    An entry that it has in another file is taken out there. `use`: as in `system.kubeconfig.add`. Raises
    NoKubeconfig, MachineUnfinished, KubeconfigError, MachineBusy, InputError.
    """
    own = path(host)
    with changing(host, "putting it into your kubeconfig"):
        membership = host.provisioner.membership()
        if membership is None:
            raise NotSupported(
                host.name,
                f'Machine "{host.name}" is provisioned by "{host.config.provisioner}", which would leave its '
                f"entry in your kubeconfig for good. Use its own: export KUBECONFIG={own}",
            )
        config = host.config
        owner = kubeconfig.Owner(config.name, config.identity, config.store_path)
        before = str(config.membership.get(KUBECONFIG) or "")
        target = kubeconfig.target(into, but_below=config.store_path) if into or not before else before
        kubeconfig.check(target)
        if before and before != target:
            kubeconfig.remove(before, owner)
        # Recorded before it is there: by that, what a kill leaves is found.
        membership.record(**{KUBECONFIG: target})
        return target, kubeconfig.add_from(target, config.name, own, owner=owner, use=use)

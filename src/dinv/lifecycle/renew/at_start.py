"""A machine that is about to start gets new certificates first, if they are due: no stream is cut."""

from __future__ import annotations

import os

from dinv.drivers import clock
from dinv.errors import DinvError
from dinv.lifecycle.host import certificates, context, telling
from dinv.lifecycle.host.certificates import STAGING
from dinv.lifecycle.host.serving import give_cache
from dinv.pki import pem
from dinv.system import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.lifecycle.host import Host
    from dinv.progress import Progress


def renew_stopped(host: Host, progress: Progress) -> None:
    """Renew the certificates of a stopped machine if its server's is due. The caller must hold its lock.

    A machine is not kept from starting by its authority: what fails is told, and the old ones stay. After a
    kill in the middle, what follows the start renews them once more, since the staging directory is there.
    """
    if not host.config.by_dinv or not host.driver.provisioned or certificates.renewing(host):
        return
    found = host.certificates
    if not found.due(found.server, host.config.identity):
        return
    if wrong := clock.wrong(host.driver, found, harmless=True):
        progress.warn(f"The certificates were not renewed: {wrong}. {clock.ADVICE}")
        return
    staging = os.path.join(host.directory, STAGING)
    try:
        if host.authority().trust_anchor() != pem.read(os.path.join(host.directory, "ca.pem")):
            return  # its CA was replaced elsewhere: the machine must know both for a while
        os.mkdir(staging, 0o700)
        try:
            certificates.issue(host, progress=progress)
        except BaseException:
            files.remove_tree(staging)
            raise
        give_cache(host, progress)
        host.provisioner.provision()
        context.write(host.config, progress, had_one=True)
        files.remove_tree(staging)
    except (DinvError, OSError) as error:
        progress.warn(f"The certificates were not renewed: {error}")
    else:
        progress.line("Certificates", "server, client", "renewed")
        telling.tell(host, "renewed", progress, clients=False)

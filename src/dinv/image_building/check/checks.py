"""What is checked of a machine image, in this order: each with why it matters, and how to add it.

The sentences of the contract are in images/README.md. A check returns what is wrong, "" if nothing is.
"""

from __future__ import annotations

from typing import NamedTuple

from dinv.image_building.check import looks, trials
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.image_building.check.subject import Subject

_OURS = "begin FROM dinv's machine image, which does that"


def _always(_subject: Subject) -> bool:
    return True


class Check(NamedTuple):
    """One promise of a contract. `when` says whether the subject's contract makes it."""

    name: str
    run: Callable[[Subject], str]
    why: str
    mend: str
    needed: bool = True
    when: Callable[[Subject], bool] = _always


LOOKS = (
    Check("contract", looks.contract, "dinv has to know how the image takes certificates",
          'LABEL io.dinv.image.contract="dinv", if it keeps that one'),
    Check("entrypoint", looks.entrypoint, "dinv gives a machine's container no arguments",
          "an ENTRYPOINT that needs none"),
    Check("volumes", looks.volumes, "such a volume is anonymous: each machine would leave one behind",
          "remove VOLUME from its Dockerfile, and from what it is built FROM"),
    Check("port", looks.port, "it says where the machine's daemon listens", "EXPOSE 2376"),
    Check("version", looks.version, "image ls shows which dinv it is of", "LABEL io.dinv.image.version",
          needed=False),
    Check("health check", looks.health, "docker ps on the endpoint shows whether the daemon answers",
          'HEALTHCHECK CMD ["/usr/local/lib/dinv/healthcheck"]', needed=False),
)  # fmt: skip

SERVES = Check("serves", lambda _subject: "", "a machine has to answer, and to let in nobody but its owner",
               command("create", "--keep-on-failure", "--image", "REF", "NAME") + " leaves it to look at, "
               "and logs shows what it said")  # fmt: skip

TRIALS = (
    Check("clients", trials.clients, "whoever gets in without a certificate of the machine's CA is its root",
          "serve port 2376 with mutual TLS"),
    Check("plain TCP", trials.plain, "whoever reaches such a port is root of the machine",
          "let dockerd listen on its unix socket only"),
    Check("containers", trials.containers, "it is what a machine is for",
          "make its cgroups writable, and its root shared: prepare.sh does"),
    Check("reload", trials.reload, "renewing certificates is to cut nothing",
          f"/usr/local/lib/dinv/front reload; {_OURS}", when=trials.has_front),
    Check("revocation", trials.revocation, "access that was taken away is to end at once",
          f"refuse what /etc/dinv/certs/revoked names; {_OURS}", when=trials.has_front),
    Check("options", trials.options, "options are to be changed without a restart",
          f"/usr/local/lib/dinv/dockerd reload; {_OURS}", when=trials.reloads_options),
    Check("services", trials.services, "programs beside the daemon are to be kept running",
          f"/usr/local/lib/dinv/services; {_OURS}", when=trials.has_services),
    Check("SIGHUP", trials.hangup, "new options are to be read, and containers to run on",
          "restart dockerd at SIGHUP, with live-restore", when=trials.is_supervised),
    Check("dead daemon", trials.dead_daemon, "a daemon that dies is to come back, and containers to run on",
          "start dockerd again when it ends, with live-restore", when=trials.is_supervised),
    Check("SIGTERM", trials.stop, "stop is to end containers gracefully, and the cache whole",
          "pass SIGTERM on to dockerd, wait for it, and exit 0"),
    Check("cache", trials.cache, "images and containers outlive a stop",
          "keep all that is Docker's below /var/lib/docker, and nothing stale in /run"),
    Check("waiting", trials.waiting, "a create starts it while certificates are being made",
          "wait for /etc/dinv/certs/*.pem as long as DINV_WAIT_FOR_CERTS says", when=trials.waits),
    Check("sudo", trials.sudo, "scripts for docker-machine call it",
          "install sudo, and let the user docker use it without a password", needed=False),
    Check("tools", trials.tools, "people run them in it over SSH", "install them", needed=False),
    Check("scp --delta", trials.rsync, "it runs rsync in the machine", "install rsync", needed=False),
    Check("mount", trials.sftp, "it runs sftp-server in the machine", "install openssh-sftp-server",
          needed=False),
)  # fmt: skip

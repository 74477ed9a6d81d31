"""The client's certificate is renewed by itself, in the background, by the command that notices it is due.

The command starts a process of its own session and does not wait for it: `dinv.lifecycle.renew.unattended`.
Its mark (`renewal_mark`) keeps a second one from being started, and after a failure says for an hour why.

Nothing is started if the variable DINV_NO_AUTO_RENEW is set, for a machine that dinv does not look after, for
a client certificate of the user's own, while another renewal or an upgrade is to be finished, and in a store
that cannot be written.
"""

from __future__ import annotations

import os

from dinv.errors import DinvError
from dinv.lifecycle.host import renewal_mark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from dinv.lifecycle.host import Host

VARIABLE = "DINV_NO_AUTO_RENEW"
_PROGRAM = (
    "import sys; sys.path.append(sys.argv.pop(1)); "
    "from dinv.lifecycle.renew.unattended import main; main(*sys.argv[1:])"
)
_started: list[int] = []


def start(hosts: Iterable[Host]) -> int | None:
    """Renew these machines' client certificates in the background; return the process's ID, if there is one.

    All machines are of one store. Nothing is raised: the command that notices has its own work to do.
    """
    _reap()
    if os.environ.get(VARIABLE):
        return None
    wanted = [host for host in hosts if may_be_renewed(host) and renewal_mark.begin(host.directory)]
    if not wanted:
        return None
    names = [host.name for host in wanted]
    try:
        pid = _spawn(wanted[0].store.path, names)
    except OSError as error:
        for host in wanted:
            renewal_mark.failed(host.directory, str(error))
        return None
    _started.append(pid)
    return pid


def may_be_renewed(host: Host) -> bool:
    """Whether this is a machine whose client's certificate dinv may renew without being asked."""
    config = host.config
    if not config.by_dinv or config.unfinished or config.upgrade or not host.has_tls:
        return False
    if config.auth_options.get("ClientCertPath") != f"machines/{config.name}/cert.pem":
        return False
    from dinv.lifecycle.host.certificates import renewing

    try:
        looked_after = host.driver_class.provisioned or host.driver.remote() is not None
        return looked_after and not renewing(host)
    except DinvError:
        return False


def _spawn(store_path: str, names: list[str]) -> int:
    """Start the process, with nothing for input and output. Raises OSError."""
    import sys

    import dinv

    package = os.path.dirname(os.path.dirname(os.path.abspath(dinv.__file__)))
    # -P: nothing is imported from the user's working directory.
    command = [sys.executable, "-P", "-c", _PROGRAM, package, store_path, *names]
    nowhere = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    try:
        return os.posix_spawn(command[0], command, os.environ, file_actions=nowhere, setsid=True)
    except NotImplementedError:  # a C library without POSIX_SPAWN_SETSID
        return os.posix_spawn(command[0], command, os.environ, file_actions=nowhere, setpgroup=0)


def _reap() -> None:
    """Take note of processes that have ended: a program that uses the library may run for long."""
    for pid in list(_started):
        try:
            ended, _ = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            ended = pid
        if ended:
            _started.remove(pid)

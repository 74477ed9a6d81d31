"""The process that renews clients' certificates in the background: see `dinv.lifecycle.host.by_itself`.

Nobody watches it, so it prints nothing, and ends in bounded time. It may be killed at any moment: the pair is
replaced as a set, which the next command finishes.
"""

from __future__ import annotations

import contextlib
import os
import signal

from dinv.drivers import clock
from dinv.errors import DinvError, MachineBusy, MachineNotFound
from dinv.lifecycle.host import Host, by_itself, renewal_mark
from dinv.lifecycle.remotely import certify
from dinv.lifecycle.renew.client import renew_client
from dinv.progress import Progress
from dinv.store.store import Store

LIMIT_SECONDS = 120
_LOWER_PRIORITY = 10
_MOST_DESCRIPTORS = 1024


def main(store_path: str, *names: str) -> None:
    """Renew the clients' certificates of these machines, as far as they are due."""
    # Whoever waits for the end of a pipe of the command's must not wait for this process.
    os.closerange(3, _MOST_DESCRIPTORS)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
    signal.alarm(LIMIT_SECONDS)
    with contextlib.suppress(OSError):
        os.nice(_LOWER_PRIORITY)
    store = Store(store_path)
    for name in names:
        attempt(store, name)


def attempt(store: Store, name: str) -> None:
    """Renew one machine's, and note how that went."""
    directory = store.directory(name)
    try:
        renew_if_due(store, name)
    except MachineNotFound:
        pass  # it was removed meanwhile, or another has its name
    except MachineBusy:
        renewal_mark.failed(directory, "", again=renewal_mark.BUSY_SECONDS)
    except DinvError as error:
        renewal_mark.failed(directory, error.text)
    except Exception as error:  # noqa: BLE001  (nobody would see a traceback)
        renewal_mark.failed(directory, f"a bug in dinv: {error!r}")
    else:
        renewal_mark.succeeded(directory)


def renew_if_due(store: Store, name: str) -> bool:
    """Renew a machine's, if that is due still; return whether it was.

    Does not wait for its lock: raises MachineBusy. Raises CertificateError, ...
    """
    with (
        store.lock(name, "renewing the client's certificate"),
        Host(store.load(name), store) as host,
    ):
        host.finish_certificates()
        found = host.certificates
        if not by_itself.may_be_renewed(host) or not found.due(found.client, host.config.identity):
            return False
        clock.check(host.driver, found)
        if (remote := host.driver.remote()) is not None:
            certify(host, remote, Progress())
        else:
            renew_client(host, Progress())
        return True

"""Whether daemons listen that nobody can be asked about: each address is connected to once, all together."""

from __future__ import annotations

import os

from dinv.states import ERROR, RUNNING, TIMEOUT, UNANSWERED, Status
from dinv.system.reachability import connect_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Address = tuple[str, int]

_UNIX = "unix://"


def states(daemons: Mapping[str, tuple[str, Address | None]], *, timeout: float) -> dict[str, Status]:
    """Return for each name Running if its daemon accepts connections, else Error or Timeout with the reason.

    `daemons` has the URL of each, and the host and port in it, None if there are none. `timeout`, in seconds,
    is for all of them.
    """
    answers = connect_all((address for _, address in daemons.values() if address), timeout=timeout)
    return {name: _state(url, address, answers, timeout) for name, (url, address) in daemons.items()}


def _state(url: str, address: Address | None, answers: Mapping[Address, str], timeout: float) -> Status:
    if address is None:
        if not url.startswith(_UNIX):
            return _silent(ERROR, f"{url} is not the URL of a Docker daemon, such as tcp://HOST:2376")
        return (
            Status(RUNNING)
            if os.path.exists(url.removeprefix(_UNIX))
            else _silent(ERROR, f"there is no {url}")
        )
    if address not in answers:
        return _silent(TIMEOUT, f"{url} did not answer within {timeout:g} s")
    said = answers[address]
    return _silent(ERROR, f"{url} does not answer: {said}") if said else Status(RUNNING)


def _silent(state: str, why: str) -> Status:
    return Status(state, f"{UNANSWERED}{why}")

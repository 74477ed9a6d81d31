"""live-restore, put off without a restart: no swarm begins with it (moby: daemon/cluster/swarm.go).

dinv's image has it on only while its daemon restarts. Others may have it on for good; what is in daemon.json
a running daemon takes at SIGHUP, what it was given as an argument it does not.
"""

from __future__ import annotations

import re
import time

from dinv import errors
from dinv.channel import File
from dinv.errors import DinvError
from dinv.provisioners.swarm import managers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.engine import Engine
    from dinv.provisioners.swarm.node import Node

SECONDS = 10.0
DAEMON_JSON = "/etc/docker/daemon.json"
_ON = re.compile(r'("live-restore"\s*:\s*)true')
_MOST_BYTES = 64 * 1024


def put_off(membership: Node, engine: Engine) -> None:
    """Switch it off in the running daemon, if it is on. Raises ClusterError."""
    # The image may be about to switch it off itself, after a restart.
    if not _is_on(engine, seconds=2.0):
        return
    channel = membership.driver.channel()
    path = membership.contract.daemon_json or DAEMON_JSON
    said = bytearray()
    try:
        channel.run(["head", "-c", str(_MOST_BYTES), path], stdout=said.extend, timeout=SECONDS)
        before = said.decode(errors="replace")
        after = _ON.sub(r"\1false", before)
        if after != before:
            channel.put([File(path, after.encode())])
            channel.run(["sh", "-c", "kill -HUP $(cat /var/run/docker.pid)"], timeout=SECONDS)
            if not _is_on(engine, seconds=SECONDS):
                return
    except DinvError as error:
        if membership.trace:
            membership.trace(f"live-restore could not be put off: {error}")
    name = membership.config.name
    raise errors.ClusterError(
        name,
        f'The daemon of machine "{name}" runs with live-restore, which excludes a swarm, and its image '
        "cannot put it "
        "off while it runs. Use an image that starts dockerd without --live-restore.",
    )


def _is_on(engine: Engine, *, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while engine.info(timeout=managers.CALL_SECONDS).get("LiveRestoreEnabled"):
        if time.monotonic() >= end:
            return True
        time.sleep(managers.POLL_SECONDS)
    return False

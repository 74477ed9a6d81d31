"""live-restore that somebody has switched on for good: put off by a reload, never by a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from dinv.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fake_swarm import Daemon
    from machines_of_swarm import SwarmOfMachines

    from dinv.channel import Channel, File


class Inside:
    """The files of a machine, and its daemon, which takes daemon.json at a SIGHUP, or not."""

    def __init__(self, content: bytes, *, takes: bool = True) -> None:
        self.content = content
        self.takes = takes
        self.commands: list[list[str]] = []
        self.daemon: Daemon | None = None

    def run(self, argv: Sequence[str], *, timeout: float, stdout: Any = None) -> int:
        assert timeout
        self.commands.append(list(argv))
        if argv[0] == "head":
            stdout(self.content)
        elif "HUP" in argv[-1] and self.takes and self.daemon is not None:
            self.daemon.live_restore = b'"live-restore": true' in self.content
        return 0

    def put(self, files: list[File]) -> None:
        (file,) = files
        assert file.path == "/etc/docker/daemon.json"
        self.content = file.content


def inside(swarm: SwarmOfMachines, content: bytes, *, takes: bool = True) -> Inside:
    """Machines that are made from now on run with live-restore."""
    found = Inside(content, takes=takes)
    swarm.channel = cast("Channel", found)
    real = swarm.world.daemon

    def daemon(*arguments: Any) -> Daemon:
        made = found.daemon = real(*arguments)
        made.live_restore = True
        return made

    swarm.world.daemon = daemon  # type: ignore[assignment]
    return found


def test_it_is_put_off_in_the_running_daemon(swarm: SwarmOfMachines) -> None:
    found = inside(swarm, b'{\n  "live-restore": true,\n  "debug": true\n}\n')
    swarm.create("m1")
    assert found.content == b'{\n  "live-restore": false,\n  "debug": true\n}\n'
    assert swarm.world.hostnames() == ["m1"]
    assert not any("restart" in " ".join(command) for command in found.commands)


@pytest.mark.parametrize(("content", "takes"), [(b"{}", True), (b'{"live-restore": true}', False)])
def test_a_daemon_that_was_started_with_it(swarm: SwarmOfMachines, content: bytes, *, takes: bool) -> None:
    inside(swarm, content, takes=takes)
    with pytest.raises(ClusterError, match="without --live-restore"):
        swarm.create("m1")
    assert swarm.world.clusters == []

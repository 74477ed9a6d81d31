"""What the entrypoint makes of the cgroups that it finds, v1 and v2.

The endpoint's host has one of the two, and what it has is tested in a machine. Of the other there is what a
kernel lets a test mount: where the memory and cpu controllers belong to v1, what is seen of v2 is the order
of things (processes out of the root first, then what controllers there are), not limits. VIC's one mount for
all controllers is made of two that nobody else mounts, so no daemon can run with it here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from image_machine import Machine

    from dinv.engine import Engine

pytestmark = pytest.mark.integration

# A cgroup namespace whose root is a cgroup made for it, as a runtime gives to a container.
NEST = r"""
set -eu
say() { printf 'dinv: %s\n' "$*" >&2; }
mkdir -p /tmp/all && mount -t cgroup2 none /tmp/all
mine=/tmp/all/$1
mkdir "$mine"
for c in $(cat /tmp/all/cgroup.controllers); do echo "+$c" >/tmp/all/cgroup.subtree_control || :; done
echo $$ >"$mine/cgroup.procs"
status=0
unshare --cgroup --mount sh -euc '
    say() { printf "dinv: %s\n" "$*" >&2; }
    mkdir -p /tmp/own && mount -t cgroup2 none /tmp/own
    # A process that comes into the root while its processes are being moved, as an exec does.
    (while :; do sleep 0.001; done) & noise=$!
    . /usr/local/lib/dinv/prepare.sh
    nest_cgroup2 /tmp/own
    echo "left: $(cat /tmp/own/cgroup.procs)"
    grep -qx $$ /tmp/own/init/cgroup.procs && echo "moved"
    [ "$(cat /tmp/own/cgroup.controllers)" = "$(cat /tmp/own/cgroup.subtree_control)" ] && echo "passed on"
    mkdir /tmp/own/nested && echo "nested"
    rmdir /tmp/own/nested
    kill $noise
' || status=$?
echo $$ >/tmp/all/cgroup.procs
for try in 1 2 3 4 5 6 7 8 9; do rmdir "$mine/init" "$mine" && break; sleep 0.2; done 2>/dev/null
exit $status
"""

# The same, seen in a machine on a host that has v2: there PID 1 is what has to have been moved.
NESTED = """
cd /sys/fs/cgroup
echo "left: $(cat cgroup.procs)"
grep -qx 1 init/cgroup.procs && echo "moved"
[ "$(cat cgroup.controllers)" = "$(cat cgroup.subtree_control)" ] && echo "passed on"
mkdir nested && echo "nested"
rmdir nested
"""


def is_v2(engine: Engine) -> bool:
    return str(engine.info().get("CgroupVersion") or "1") == "2"


def test_processes_leave_the_root_and_controllers_are_passed_on(
    engine: Engine, request: pytest.FixtureRequest
) -> None:
    if is_v2(engine):
        machine: Machine = request.getfixturevalue("machine")
        said = machine.run("sh", "-c", NESTED)
        assert "memory" in machine.run("cat", "/sys/fs/cgroup/cgroup.subtree_control").split()
    else:
        run: Callable[[str], str] = request.getfixturevalue("sleeper")
        said = run(NEST)
    assert said.splitlines() == ["left: ", "moved", "passed on", "nested"], said


def test_a_limit_is_seen_and_kept(engine: Engine, machine: Machine) -> None:
    file = "memory.max" if is_v2(engine) else "memory/memory.limit_in_bytes"
    limited = ("run", "--name", "limited", "-m", "20m", "busybox")
    assert machine.docker(*limited, "cat", f"/sys/fs/cgroup/{file}") == str(20 << 20)
    machine.docker("rm", "limited")
    machine.run("docker", *limited, "busybox", "tail", "-c", "100m", "/dev/zero", check=False)
    status = machine.docker("inspect", "-f", "{{.State.ExitCode}}", "limited")
    machine.docker("rm", "limited")
    assert status == "137"


# One mount for all, as in a VM of VIC. Nothing is made in it: even a removed cgroup would keep the hierarchy.
FLAT = r"""
set -eu
say() { printf 'dinv: %s\n' "$*" >&2; }
run=/tmp/run
for point in $(cut -d' ' -f5 /proc/self/mountinfo | grep ^/sys/fs/cgroup | sort -r); do umount "$point"; done
mount -t cgroup -o net_cls,net_prio cgroup /sys/fs/cgroup
. /usr/local/lib/dinv/prepare.sh
prepare_cgroups
stat -fc %T /sys/fs/cgroup
grep cgroup /proc/self/mountinfo | cut -d' ' -f5
readlink /sys/fs/cgroup/net_cls /sys/fs/cgroup/net_prio
grep -qx $$ /sys/fs/cgroup/net_cls/cgroup.procs && echo "one hierarchy"
[ -w /sys/fs/cgroup/net_prio/net_prio.ifpriomap ] && echo "writable"
"""


def test_one_mount_for_all_controllers_is_laid_out(engine: Engine, sleeper: Callable[[str], str]) -> None:
    if is_v2(engine):
        # kernel/cgroup/cgroup-v1.c, cgroup1_root_to_use
        pytest.skip("a container of a v2 host has a cgroup namespace, in which no hierarchy can be made")
    with open("/proc/cgroups", encoding="ascii") as file:
        hierarchies = {line.split()[0]: line.split()[1] for line in file}
    if {hierarchies.get(name) for name in ("net_cls", "net_prio")} != {"0"}:
        pytest.skip(f"this kernel has, or has mounted, other controllers than the test takes: {hierarchies}")
    assert sleeper(FLAT).splitlines() == [
        "tmpfs",
        "/sys/fs/cgroup",
        "/sys/fs/cgroup/net_cls,net_prio",
        "net_cls,net_prio",
        "net_cls,net_prio",
        "one hierarchy",
        "writable",
    ]

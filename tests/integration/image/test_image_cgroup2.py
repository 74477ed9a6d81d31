"""cgroup v2 nesting, which the entrypoint does in a hierarchy that the test mounts.

On a host with cgroup v1 the memory and cpu controllers belong to v1, so what is seen here is the order of
things (processes out of the root first, then what controllers there are), not limits.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from dinv.errors import DinvError

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@pytest.fixture
def container(engine: Engine, machine_image: str) -> Iterator[str]:
    name = f"dinv-test-cgroup2-{uuid.uuid4().hex[:10]}"
    engine.containers.create(
        name,
        {
            "Image": machine_image,
            "Entrypoint": ["sleep", "120"],
            "HostConfig": {
                "CapAdd": ["SYS_ADMIN"],
                "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"],
            },
        },
    )
    try:
        engine.containers.start(name)
        yield name
    finally:
        engine.containers.remove(name, force=True)


def test_processes_leave_the_root_and_controllers_are_passed_on(engine: Engine, container: str) -> None:
    out = bytearray()
    try:
        status = engine.execs.run(
            container,
            ["sh", "-c", NEST, "nest", container],
            stdout=out.extend,
            stderr=out.extend,
            timeout=60,
        )
    except DinvError as exc:
        pytest.fail(f"{exc}\n{out.decode()}")
    text = out.decode()
    assert status == 0, text
    assert text.splitlines() == ["left: ", "moved", "passed on", "nested"], text

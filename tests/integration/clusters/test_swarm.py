"""A swarm of three machines: services, a node drained, one killed and made again, all removed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from users import LS, eventually

if TYPE_CHECKING:
    from users import User

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

SERVICE = "web"
REPLICAS = 6
MOVE_SECONDS = 60.0


def nodes(user: User, manager: str) -> dict[str, tuple[str, str]]:
    """State and availability of each node, by host name."""
    rows = user.docker(manager, "node", "ls", "--format", "{{.Hostname}} {{.Status}} {{.Availability}}")
    return {name: (state, availability) for name, state, availability in map(str.split, rows.splitlines())}


def running(user: User, manager: str) -> Counter[str]:
    """How many tasks of the service run on which node."""
    form = "{{.Node}} {{.CurrentState}}"
    rows = user.docker(
        manager, "service", "ps", "--filter", "desired-state=running", "--format", form, SERVICE
    )
    found = [row.split() for row in rows.splitlines()]
    return Counter(node for node, state, *_ in found if state == "Running")


def standings(user: User) -> dict[str, str]:
    rows = user.dinv(*LS, "--format", "{{.Name}}|{{.Swarm}}").stdout
    return dict(row.split("|") for row in rows.splitlines())


def test_a_swarm_of_three_machines(user: User) -> None:
    m1, m2, m3 = (user.name(name) for name in ("m1", "m2", "m3"))
    made = user.dinv("create", "--provisioner", "swarm", m1)
    # This computer's kernel may have IPVS, or not; without it that is said, and what works all the same.
    assert ("ip_vs" in made.stderr) == ("dnsrr" in made.stderr)
    user.dinv("create", "--swarm", "--join", m1, "--role", "manager", m2)
    user.dinv("create", "--provisioner", "swarm", "--join", m1, m3)
    for name in (m1, m2, m3):
        user.import_hello(name)
    assert standings(user) == {
        m1: f"{m1} (manager, ready)",
        m2: f"{m1} (manager, ready)",
        m3: f"{m1} (worker, ready)",
    }
    # A manager that answers is what `env --swarm` gives, whomever it is asked of
    script = user.dinv("env", "--shell", "sh", "--swarm", m3).stdout
    assert f'DOCKER_MACHINE_NAME="{m1}"' in script

    service = ("service", "create", "--no-resolve-image", "--quiet", "--name", SERVICE)
    shape = ("--replicas", str(REPLICAS), "--endpoint-mode", "dnsrr", "--stop-grace-period", "1s")
    user.docker(m1, *service, *shape, "hello", "sleep", "1000")
    eventually(lambda: running(user, m1) == {m1: 2, m2: 2, m3: 2}, MOVE_SECONDS)

    # One is drained while it is stopped, and comes back
    user.dinv("stop", m3)
    assert nodes(user, m1)[m3][1] == "Drain"
    eventually(lambda: running(user, m1) == {m1: 3, m2: 3}, MOVE_SECONDS)
    user.dinv("start", m3)
    assert nodes(user, m1)[m3] == ("Ready", "Active")

    user.docker(m1, "service", "update", "--force", "--quiet", SERVICE)
    eventually(lambda: running(user, m1)[m3] > 0, MOVE_SECONDS)

    # One is killed and made again, under the same name: its tasks come back, no dead node stays
    with user.engine() as engine:
        engine.containers.remove(f"dinv-{m3}", force=True)
    user.dinv("rm", "-y", m3)
    user.dinv("create", "--provisioner", "swarm", "--join", m2, m3)
    user.import_hello(m3)
    assert set(nodes(user, m1)) == {m1, m2, m3}
    eventually(lambda: sum(running(user, m1).values()) == REPLICAS, MOVE_SECONDS)

    # What would be the end of the swarm is refused; all go at once, the one that began it last
    user.docker(m1, "node", "demote", m2)
    assert "the last manager of its swarm, and 2 nodes" in user.fails("rm", "-y", m1)
    user.dinv("rm", "-y", m1, m2, m3)
    assert user.dinv("ls", "-q").stdout == ""

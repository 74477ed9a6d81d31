"""`dinv set` on a real engine: what goes on in the machine meanwhile, and what is kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from watched import Watched

if TYPE_CHECKING:
    from users import User

pytestmark = pytest.mark.integration

MIRROR = "https://mirror.test:5000"


def info(user: User, machine: str) -> dict[str, Any]:
    """What its daemon says of itself."""
    found: dict[str, Any] = json.loads(user.docker(machine, "info", "-f", "{{json .}}"))
    return found


def plan(user: User, machine: str, *words: str) -> list[str]:
    found = json.loads(user.dinv("set", "--dry-run", "--format", "json", *words, machine).stdout)
    return [each["Means"] for each in found]


def limits(user: User, machine: str) -> tuple[int, int]:
    """The memory and the billionths of CPUs that the endpoint gives it."""
    with user.engine() as engine:
        host = engine.containers.inspect(f"dinv-{machine}")["HostConfig"]
    return host["Memory"], host["NanoCpus"]


def test_settings_change_by_the_gentlest_means(user: User) -> None:
    name = user.name("set")
    user.dinv("create", "--no-context", "--memory", "1g", "--engine-label", "kept=1", name)
    user.import_hello(name)
    images = user.docker(name, "images", "-q", "--no-trunc")
    before = user.machine(name).inspect()
    with Watched(user, name, address=user.machine(name).own_ip()) as watched:
        # Only said
        assert plan(
            user, name, "--memory", "1536m", "--cpus", "1", "--engine-label", "a=1", "-p", "18080:80"
        ) == [
            "update",
            "update",
            "recreation",
            "reload",
        ]
        assert user.machine(name).inspect() == before
        # By reload, and by update
        user.dinv("set", "--engine-label", "team=red", "--engine-registry-mirror", MIRROR, name)
        found = info(user, name)
        assert sorted(found["Labels"]) == ["kept=1", "provider=docker", "team=red"]
        assert found["RegistryConfig"]["Mirrors"] == [f"{MIRROR}/"]
        user.dinv("set", "--memory", "1536m", "--cpus", "1", "--engine-opt", "debug", name)
        assert (user.kept(name)["Memory"], user.kept(name)["CPUs"]) == (1536 * 2**20, 1)
        assert limits(user, name) == (1536 * 2**20, 1_000_000_000)
        user.dinv("set", "--engine-label-rm", "team", "--engine-registry-mirror-rm", MIRROR, name)
        found = info(user, name)
        assert sorted(found["Labels"]) == ["kept=1", "provider=docker"]
        assert not found["RegistryConfig"]["Mirrors"]
        # What its daemon does not take is found out before anything is cut
        assert "unknown flag: --no-such-option" in user.fails("set", "--engine-opt", "no-such-option", name)
        assert "its log says why" in user.fails("set", "--engine-registry-mirror", "nonsense", name)
        # Where containers stop, somebody is asked
        assert "--force" in user.fails("set", "-p", "18080:80", name)
        watched.check()
    assert user.machine(name).inspect()["HostOptions"]["EngineOptions"]["ArbitraryFlags"] == ["debug"]
    # By another container
    user.dinv("set", "-f", "-q", "-p", "18080:80", name)
    assert [port["Port"] for port in user.kept(name)["PublishPorts"]] == [18080]
    assert user.docker(name, "images", "-q", "--no-trunc") == images
    assert user.docker(name, "run", "--rm", "hello", "echo", "still here").strip() == "still here"
    assert user.kept(name)["Memory"] == 1536 * 2**20
    assert sorted(info(user, name)["Labels"]) == ["kept=1", "provider=docker"]
    # By a restart of its daemon
    user.docker(name, "run", "-d", "--name", "stays", "hello", "sleep", "600")
    form = "{{.State.Pid}} {{.State.StartedAt}}"
    process = user.docker(name, "inspect", "-f", form, "stays")
    user.dinv("set", "--engine-opt", "mtu=1400", name)
    assert user.docker(name, "inspect", "-f", form, "stays") == process
    assert "Change" not in user.machine(name).inspect()["Dinv"]
    user.dinv("rm", "-y", name)

"""Certificates with a short life on a real machine: renewed by themselves and by `renew`, streams open."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import aged
from watched import Client, await_heard

from dinv.lifecycle.host import Host
from dinv.lifecycle.host.renewal_mark import MARK
from dinv.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from users import User

SECONDS = 60.0


def wait_for(what: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_machine_goes_on_whatever_expires(user: User) -> None:
    name = user.name("dev")
    user.dinv("create", "-q", "--cert-lifetime", "1d", "--ca-lifetime", "30d", name)
    store = Store(user.store)
    host = Host(store.load(name), store)
    made = host.certificates
    variables = user.variables(name)
    aged.age(host, "client", days=(-20, 8))
    old = host.certificates.client
    events = Client({**user.environment, **variables}, "events")
    try:
        # It has read the old files by then, and nothing of dinv's has noticed them.
        create = ("docker", "volume", "create")
        await_heard([events], lambda: user.run(*create, env=variables), "volume create")
        assert host.certificates.client == old

        # By itself: the command that notices is `env`, whose shell has ended by then.
        user.variables(name)
        wait_for(lambda: host.certificates.client != old and not_marked(host))
        client = host.certificates.client
        assert client is not None
        assert abs(client.life - 86400) < 600
        assert "Server Version" in user.docker(name, "info")

        # By a timer: the certificates of both sides end within two days.
        found = json.loads(user.dinv("renew", "--all", "--before", "2d", "--format", "json").stdout)
        assert [record["Renewed"] for record in found] == [["server", "client"]]
        now = host.certificates
        assert now.server != made.server
        assert now.client != client
        assert now.ca == made.ca
        assert "Server Version" in user.docker(name, "info")
        served_by_context(user, name)

        # What was open has the old certificate, and goes on.
        user.docker(name, "volume", "create", "seen")
        events.await_said("volume create seen")

        # Of one that is stopped the server's follows at its start, before it.
        user.dinv("kill", name)
        aged.age(host, "server", days=(-20, 8))
        assert "server: at its next start" in user.dinv("renew", "--all").stdout
        assert "renewed" in user.dinv("start", name).stdout
        aged.check_served(Host(store.load(name), store))
    finally:
        events.close()


def not_marked(host: Host) -> bool:
    return not os.path.exists(os.path.join(host.directory, MARK))


def served_by_context(user: User, name: str) -> None:
    assert user.run("docker", "--context", name, "info", "--format", "{{.ServerVersion}}").strip()

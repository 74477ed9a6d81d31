"""A registry cache and two machines that pull through it, from an upstream whose bytes are counted."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import ssl
import time
from typing import TYPE_CHECKING

import pytest
from counting_relay import CountingRelay
from docker_registry import DockerRegistry
from harness import ensure_cache_image, import_busybox
from users import eventually

import dinv
from dinv.endpoints import own_network
from dinv.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from users import User

    from dinv.caches.registry_caches import RegistryCaches
    from dinv.caches.status import RegistryUsage
    from dinv.engine import Engine

IMAGE = "library/x:1"
"""Named like one of Docker Hub: `docker pull x:1`."""
NEXT_TO_NOTHING = 2000
"""Bytes. Whether a tag has moved is asked at the upstream at each pull: the headers of one answer."""
PASSWORD = "a-password-that-nobody-sees"


class Setting:
    """A user with a cache called `cache`, and an upstream for Docker Hub behind a relay."""

    def __init__(self, user: User, relay: CountingRelay, gateway: str) -> None:
        self.user = user
        self.relay = relay
        self.upstream = f"docker.io=http://{gateway}:{relay.port}"
        self.cache = user.name("hub")

    @property
    def caches(self) -> RegistryCaches:
        return dinv.open(self.user.store).caches

    def create(self, *more: str) -> str:
        words = ("cache", "create", self.cache, "--upstream", self.upstream, *more)
        return self.user.dinv(*words).stderr

    def registry(self, name: str) -> RegistryUsage:
        return next(each for each in self.caches.usage(self.cache) if each.name == name)

    def pull(self, machine: str, image: str = "x:1", *, anew: bool = True) -> str:
        """Pull an image in a machine that no longer has it; return its digest in the registry."""
        with self.user.machine(machine) as found, found.engine(timeout=60) as engine:
            if anew:
                for there in engine.images.list():
                    engine.images.remove(there["Id"], force=True)
            end = time.monotonic() + 60
            while True:
                try:
                    engine.images.pull(image)
                    break
                except ServerError:
                    # While the cache goes over to what it has stored, and back, Docker asks the Hub.
                    assert time.monotonic() < end
                    time.sleep(0.5)
            digests: list[str] = engine.images.inspect(image)["RepoDigests"]
        return digests[0].partition("@")[2]


@pytest.fixture(scope="module")
def setting(
    shared_user: User, session_engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Setting]:
    ensure_cache_image(session_engine)
    # Of this computer, and reached from any container of the engine.
    gateway = own_network.gateway_of(session_engine.networks.inspect("bridge"))
    with DockerRegistry(tmp_path_factory.mktemp("registry")) as registry:
        import_busybox(session_engine)
        name = f"{registry.name}/{IMAGE}"
        session_engine.images.tag("hello", name)
        session_engine.images.push(name)
        session_engine.images.remove(name)
        port = int(registry.name.rpartition(":")[2])
        with CountingRelay(gateway, ("127.0.0.1", port)) as relay:
            yield Setting(shared_user, relay, gateway)


@pytest.mark.timeout(400)  # the image may have to be built
def test_what_one_machine_has_pulled_no_other_fetches_again(setting: Setting) -> None:
    user, relay, cache = setting.user, setting.relay, setting.cache
    setting.create("--push")
    one, other = user.name("one"), user.name("other")
    for machine in (one, other):
        user.dinv("create", "--registry-cache", cache, machine)

    digest = setting.pull(one)
    fetched = relay.settled()
    assert fetched > 1_000_000, "it came from the upstream, and through the relay"
    assert setting.pull(other) == digest
    assert relay.settled() - fetched < NEXT_TO_NOTHING
    asked = list(relay.asked)
    assert any("/blobs/" in path for path in asked), asked
    setting.pull(other, f"x@{digest}")
    relay.settled()
    assert relay.asked == asked, "a digest does not change: the upstream is not even asked"

    relay.down()
    setting.pull(other)

    # Removed but for its data, and made again while its upstream is down.
    assert one in user.fails("cache", "rm", "-y", cache)
    user.dinv("cache", "rm", "--force", "--keep-data", cache)
    assert "does not answer" in setting.create("--push")
    assert setting.registry("docker.io").state == "offline"
    setting.pull(one)
    relay.up()
    eventually(lambda: setting.registry("docker.io").state == "online", 30)
    fetched = relay.received
    setting.pull(other)
    assert relay.settled() - fetched < NEXT_TO_NOTHING

    # Pushed by one machine, and pulled by the other.
    mine = f"{setting.registry('push').address}/mine:1"
    with user.machine(other) as found, found.engine(timeout=60) as engine:
        engine.images.tag("x:1", mine)
        engine.images.push(mine)
    assert setting.pull(one, mine)

    # The cache is where it was after a restart of its container, and serves by itself.
    with user.engine() as engine:
        engine.containers.restart(f"dinv-cache-{cache}", grace=2)
    eventually(lambda: {each.state for each in setting.caches.usage(cache)} == {"online"}, 30)
    setting.pull(one)

    only_with_a_certificate(setting, one)

    listed = json.loads(user.dinv("cache", "ls", "--format", "json").stdout)
    assert [each["Name"] for each in listed] == [cache]
    assert sorted(listed[0]["Machines"]) == sorted([one, other])
    stored = setting.registry("docker.io").size
    assert stored > 1_000_000
    user.dinv("cache", "prune", "-y", cache)
    assert setting.registry("docker.io").size < stored / 10
    assert setting.registry("push").size > 1_000_000, "what was pushed stays"

    inspected = json.loads(user.dinv("inspect", one).stdout)
    assert inspected["Dinv"]["RegistryCache"] == cache
    user.dinv("rm", "-y", one, other)
    user.dinv("cache", "rm", "-y", cache)


def only_with_a_certificate(setting: Setting, machine: str) -> None:
    host, _, port = setting.registry("docker.io").address.rpartition(":")
    folder = os.path.join(setting.user.store, "machines", machine, "registry-cache")
    context = ssl.create_default_context(cafile=os.path.join(folder, "ca.crt"))

    def status() -> int:
        connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=10)
        try:
            connection.request("GET", "/v2/")
            return connection.getresponse().status
        finally:
            connection.close()

    with pytest.raises((ssl.SSLError, ConnectionError)):
        status()
    context.load_cert_chain(os.path.join(folder, "client.cert"), os.path.join(folder, "client.key"))
    assert status() == 200


def test_credentials_are_in_the_container_alone(setting: Setting, tmp_path: object) -> None:
    user, cache = setting.user, setting.cache
    file = os.path.join(str(tmp_path), "auth.json")
    login = {"auths": {"https://index.docker.io/v1/": {"username": "me", "password": PASSWORD}}}
    with open(file, "w", encoding="utf-8") as written:
        json.dump(login, written)
    said = setting.create("--credentials", file)
    container = f"dinv-cache-{cache}"
    with user.engine() as engine:
        shown = json.dumps(engine.containers.inspect(container))
        with engine.containers.logs(container) as output:
            shown += b"".join(data for _, data in output).decode()
    for folder, _, names in os.walk(user.store):
        for name in names:
            with open(os.path.join(folder, name), "rb") as found:
                shown += found.read().decode(errors="replace")
    shown += said + user.dinv("cache", "ls", "--format", "json").stdout
    assert PASSWORD not in shown
    listing = user.run(
        *("docker", "-H", user.endpoint, "exec", container),
        *("sh", "-c", "grep -l password /etc/dinv-cache/*; stat -c %a /etc/dinv-cache/docker.io.json"),
    )
    assert listing.split() == ["/etc/dinv-cache/docker.io.json", "600"]
    user.dinv("cache", "rm", "-y", cache)


def test_a_kill_at_any_moment_leaves_what_create_and_rm_finish(setting: Setting) -> None:
    user, cache = setting.user, setting.cache
    words = ("cache", "create", cache, "--upstream", setting.upstream)
    for _ in range(3):
        process = user.begin(*words)
        _sleep_at_random(0.2, 2.0)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
    setting.create()
    # On a computer that is busy its look at the upstream may have taken too long.
    eventually(lambda: setting.registry("docker.io").state == "online", 30)
    process = user.begin("cache", "rm", "-y", cache)
    _sleep_at_random(0.2, 0.6)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    user.dinv("cache", "rm", "--force", cache, status=None)
    assert setting.caches.names() == []
    with user.engine() as engine:
        assert not [each for each in engine.volumes.list() if cache in each["Name"]]
        assert not [each for each in engine.containers.list(all=True) if cache in each["Names"][0]]


def _sleep_at_random(least: float, most: float) -> None:
    seconds = random.uniform(least, most)  # noqa: S311
    # pytest shows it where the test fails.
    print(f"killed after {seconds:.3f} s")  # noqa: T201
    time.sleep(seconds)

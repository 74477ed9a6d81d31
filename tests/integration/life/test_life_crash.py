"""A create that is killed, interrupted or cut off, at each of its calls to the endpoint and between them."""

from __future__ import annotations

import functools
import os
import signal
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from proxies import Proxy
from users import LS, finish

from dinv.endpoints import own_network
from dinv.engine import Engine, parse_address
from dinv.labels import LABEL_KEEP
from dinv.store import identity

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterable, Iterator
    from typing import Self

    from users import Result, User

pytestmark = pytest.mark.timeout(400)


class Attempt:
    """One create through a proxy, at one of whose requests something happens."""

    def __init__(self, user: User, name: str, *, at: int, answered: bool = False) -> None:
        self.user = user
        self.name = name
        self.proxy = Proxy(user.endpoint, at=at, answered=answered, act=self._act)
        self._process: Future[subprocess.Popen[str]] = Future()
        self.happens: Callable[[Attempt], None] = lambda _: None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.proxy.close()

    def run(self, happens: Callable[[Attempt], None], status: int | None = None) -> Result:
        """Create; `status` is what it has to exit with."""
        self.happens = happens
        process = self.user.begin("create", self.name, "--endpoint", self.proxy.address)
        self._process.set_result(process)
        return finish(process, status)

    def send(self, number: int) -> None:
        """Send a signal to the create."""
        self._process.result(20).send_signal(number)

    def kill(self) -> None:
        """As kill -9, and the request that was on its way never arrives."""
        process = self._process.result(20)
        process.kill()
        process.wait(20)
        raise ConnectionAbortedError

    def _act(self) -> None:
        self.happens(self)

    @property
    def recorded(self) -> bool:
        return os.path.isdir(os.path.join(self.user.store, "machines", self.name))


@pytest.fixture(scope="module", autouse=True)
def network_stays(endpoint_address: str, network_is_removed: None) -> Iterator[None]:
    """The network that machines are on is there before and after: all creates make the same calls.

    The first one's, which makes it, are in test_life_addresses.py.
    """
    with Engine(parse_address(endpoint_address)) as engine:
        network = own_network.ensure(engine, labels={LABEL_KEEP: "test"})
        yield
        if network is not None:
            engine.networks.remove(network["Id"])


@pytest.fixture(scope="module")
def calls(shared_user: User) -> list[str]:
    """The calls of a create to its endpoint, up to those that start the machine and put files into it."""
    with Attempt(shared_user, shared_user.name("probe"), at=0) as attempt:
        attempt.run(lambda _: None, 0)
        requests = list(attempt.proxy.requests)
        shared_user.dinv("rm", "-y", attempt.name)
    last = max(n for n, request in enumerate(requests) if not request.startswith(("GET", "HEAD")))
    return requests[: last + 1]


def _all(step: Callable[[int], None], steps: Iterable[int]) -> None:
    """Two at a time: a create waits more than it works."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(step, steps))


def _changes(calls: list[str]) -> list[int]:
    return [n for n, call in enumerate(calls, 1) if not call.startswith(("GET", "HEAD"))]


@pytest.mark.parametrize("answered", [False, True])
def test_killed_at_each_call_rm_finishes(user: User, calls: list[str], answered: bool) -> None:  # noqa: FBT001
    """Before each of them arrives, and when a change is made that it does not hear of."""

    def step(at: int) -> None:
        with Attempt(user, user.name(f"kill{at}"), at=at, answered=answered) as attempt:
            attempt.run(Attempt.kill, -signal.SIGKILL)
            if attempt.recorded:
                user.dinv("rm", "-y", attempt.name)
            assert _own(user, attempt.name) == [], f"killed at {calls[at - 1]}"

    _all(step, _changes(calls) if answered else range(1, len(calls) + 1))
    assert user.dinv("ls", "-q").stdout == ""


def test_killed_after_each_change_the_same_create_finishes(user: User, calls: list[str]) -> None:
    def step(at: int) -> None:
        with Attempt(user, user.name(f"again{at}"), at=at, answered=True) as attempt:
            attempt.run(Attempt.kill, -signal.SIGKILL)
            said = user.dinv("create", attempt.name, "--endpoint", attempt.proxy.address).stdout
            assert "Cleaning up what an interrupted create" in said, f"killed after {calls[at - 1]}"
            user.docker(attempt.name, "version")
            user.dinv("rm", "-y", attempt.name)
            assert _own(user, attempt.name) == [], f"killed after {calls[at - 1]}"

    changes = _changes(calls)
    assert len(changes) >= 4, f"volume, container, archive, start: {calls}"
    _all(step, changes)


def test_what_was_killed_is_shown_as_what_it_is(user: User, calls: list[str]) -> None:
    with Attempt(user, user.name("half"), at=len(calls), answered=True) as attempt:
        attempt.run(Attempt.kill, -signal.SIGKILL)
        assert f"dinv rm {attempt.name}" in user.dinv(*LS).stdout
        for verb in ("start", "stop", "restart", "kill"):
            assert "did not finish" in user.fails(verb, attempt.name)
        user.dinv("rm", "-y", attempt.name)
        assert _own(user, attempt.name) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_at_each_call_undoes_it(user: User, calls: list[str], number: signal.Signals) -> None:
    def step(at: int) -> None:
        with Attempt(user, user.name(f"int{at}"), at=at) as attempt:
            result = attempt.run(lambda attempt: attempt.send(number), 128 + number)
            assert "Interrupted" in result.stderr
            assert _own(user, attempt.name) == [], f"interrupted at {calls[at - 1]}: {result.stderr}"

    # All calls for one signal, and what follows a change for the other: they take the same way.
    steps = range(1, len(calls) + 1) if number == signal.SIGINT else _changes(calls)
    _all(step, steps)


def test_interrupted_twice_says_how_to_finish(user: User, calls: list[str]) -> None:
    """The second Ctrl-C comes while the first one's undoing is at work."""

    def happens(attempt: Attempt) -> None:
        attempt.send(signal.SIGINT)
        if len(attempt.proxy.requests) == len(calls):
            attempt.proxy.at = len(calls) + 1

    with Attempt(user, user.name("twice"), at=len(calls)) as attempt:
        result = attempt.run(happens, 128 + signal.SIGINT)
        assert f"Finish it: dinv rm -y {attempt.name}" in result.stderr
        user.dinv("rm", "-y", attempt.name)
        assert _own(user, attempt.name) == []


@pytest.mark.parametrize("answered", [False, True])
def test_the_endpoint_goes_away(user: User, calls: list[str], answered: bool) -> None:  # noqa: FBT001
    """And comes back later: then what was made is removed."""

    def step(at: int) -> None:
        with Attempt(user, user.name(f"cut{at}"), at=at, answered=answered) as attempt:
            result = attempt.run(lambda attempt: attempt.proxy.break_down(), None)
            assert result.returncode == 1, result.stderr
            assert attempt.proxy.address in result.stderr
            attempt.proxy.mend()
            if attempt.recorded:
                assert f"Finish it: dinv rm -y {attempt.name}" in result.stderr
                user.dinv("rm", "-y", attempt.name)
            assert _own(user, attempt.name) == [], f"cut off at {calls[at - 1]}"

    _all(step, [1, 2, *_changes(calls)])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_at_any_moment(user: User, number: signal.Signals) -> None:
    """By the clock, which also comes between the calls: while files are written, while it waits."""

    def step(n: int) -> None:
        name, after = user.name(f"at{n}"), 0.05 + n * 0.1
        process = user.begin("create", name)
        time.sleep(after)
        process.send_signal(number)
        result = finish(process, None)
        if result.returncode == 0:
            assert user.dinv("status", name).stdout == "Running\n"
            user.dinv("rm", "-y", name)
        elif number == signal.SIGKILL and name in os.listdir(os.path.join(user.store, "machines")):
            user.dinv("rm", "-y", name)
        assert _own(user, name) == [], f"{number.name} after {after:.2f} s: {result}"

    os.makedirs(os.path.join(user.store, "machines"))
    _all(step, range(15 if number == signal.SIGKILL else 8))


def test_the_certificates_and_the_context_of_a_killed_create(user: User) -> None:
    """Killed when the machine serves already, before its record says that it is ready."""
    name = user.name("late")
    process = user.begin("create", name)
    contexts = os.path.join(user.docker_config, "contexts")
    while not os.path.exists(contexts) and process.poll() is None:
        time.sleep(0.001)
    process.kill()
    finish(process, None)
    user.dinv("rm", "-y", name)
    assert user.traces(name) == []


def test_a_removal_that_is_killed_is_finished_by_another(user: User) -> None:
    """At each of its calls, and after."""
    with Proxy(user.endpoint) as proxy:
        for change in range(1, 6):
            name = user.name(f"rm{change}")
            user.dinv("create", name, "--endpoint", proxy.address)
            begun: Future[subprocess.Popen[str]] = Future()
            proxy.act = functools.partial(_kill, begun)
            proxy.at = len(proxy.requests) + change
            process = user.begin("rm", "-y", name)
            begun.set_result(process)
            killed = finish(process, None).returncode
            if killed == 0:
                break
            user.dinv("ls")
            user.dinv("rm", "-y", name)
            assert _own(user, name) == [], f"killed at its call {change}"
        assert change > 2, proxy.requests
    assert os.listdir(os.path.join(user.store, "machines")) == [identity.FILE]


def _kill(begun: Future[subprocess.Popen[str]]) -> None:
    begun.result(20).kill()


def _own(user: User, name: str) -> list[str]:
    """Traces of this machine, while other machines of the user come and go."""
    import hashlib

    digest = hashlib.sha256(name.encode()).hexdigest()
    return [trace for trace in user.traces(name) if "context" not in trace or digest in trace]

"""What goes wrong on a simulated VCH on demand, and what a test can learn of the calls."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from vch_client import body, make, tar

from dinv.errors import Conflict, EngineError, ServerError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vch_client import Connect, Simulate

    from dinv.engine import Engine
    from dinv.testing.vch import VchSimulator

# What a client has to take for "once more": VIC's words for locks and collisions.
RETRIED = (
    "collision",
    "concurrent modification",
    "Resource in use",
    "Failed to lock",
    "Resource locked",
    "please try again",
)


def _retried(call: Callable[[], object]) -> int:
    """Make a call until it is not refused for the moment; how often that was."""
    for refused in range(3):
        try:
            call()
        except EngineError as error:
            if not any(words in error.message for words in RETRIED):
                raise
        else:
            return refused
    pytest.fail("it is refused for good")


def test_each_second_call_fails_and_a_client_that_tries_again_gets_through(
    simulate: Simulate, connect: Connect
) -> None:
    vch = simulate(fail_every=2)
    engine = connect(vch)
    refused = [
        _retried(lambda: engine.volumes.create("disk", driver="local")),
        _retried(lambda: engine.containers.create("dev", body(Binds=["disk:/data"]))),
        _retried(lambda: engine.containers.archive_put("dev", "/data", tar("f", b"x"))),
        _retried(lambda: engine.containers.start("dev")),
        _retried(lambda: engine.execs.run("dev", ["true"], timeout=60)),
        _retried(lambda: engine.containers.stop("dev", grace=0)),
        _retried(lambda: engine.containers.remove("dev")),
        _retried(lambda: engine.volumes.remove("disk")),
    ]
    assert sum(refused) == 7, "the first call of all succeeds, and after that each one at the second attempt"
    assert len([call for call in vch.calls if call.injected]) == 7


def test_a_large_copy_that_is_refused_does_not_break_the_connection(
    vch: VchSimulator, client: Engine
) -> None:
    make(client, "dev")
    vch.faults.fail("ContainerExtractToDir")
    data = tar("f", bytes(3_000_000))
    with pytest.raises(Conflict, match="collision"):
        client.containers.archive_put("dev", "/tmp", data)
    client.containers.archive_put("dev", "/tmp", data)


def test_a_planned_fault(vch: VchSimulator, client: Engine) -> None:
    from dinv.testing.vch import VicError

    make(client, "dev")
    vch.faults.fail("ContainerStart", VicError(423, "Resource locked: dev"), times=2)
    for _ in range(2):
        with pytest.raises(EngineError, match="Resource locked") as error:
            client.containers.start("dev")
        assert error.value.status == 423
    client.containers.start("dev")


def test_a_quota_of_containers(simulate: Simulate, connect: Connect) -> None:
    engine = connect(simulate(max_containers=1))
    make(engine, "dev")
    words = r"^Container count exceeds limit 1\. containers: 1, reservation: 1$"
    with pytest.raises(ServerError, match=words) as error:
        make(engine, "other")
    assert error.value.status == 500
    with pytest.raises(ServerError, match=words):
        # Before the image is looked for.
        engine.containers.create("other", {"Image": "nothing-here"})
    engine.containers.remove("dev")
    make(engine, "other")


def test_the_log(simulate: Simulate, connect: Connect, tmp_path: Path) -> None:
    log = tmp_path / "calls.jsonl"
    vch = simulate(log=str(log))
    engine = connect(vch)
    make(engine, "dev", Privileged=True)
    with pytest.raises(ServerError):
        engine.containers.top("dev")
    vch.close()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["path"] for line in lines] == ["/_ping", "/containers/create", "/containers/dev/top"]
    assert lines[1]["ignored"] == ["HostConfig.Privileged"]
    assert lines[2]["implemented"] is False
    assert {line["api"] for line in lines[1:]} == {"1.25"}

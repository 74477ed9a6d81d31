"""The calls about swarms, as they go over the wire."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from engine_server import PING, answer, scripted

from dinv.engine import Engine
from dinv.engine.swarm import OUT_OF_SEQUENCE, TRIES
from dinv.errors import NotFound, ProtocolError, ServerError

if TYPE_CHECKING:
    from pathlib import Path


def said(found: Any) -> bytes:
    return answer(json.dumps(found).encode())


def refused(status: str, message: str) -> bytes:
    body = json.dumps({"message": message}).encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


SPEC = {"Role": "manager", "Availability": "active"}
NODE = {"ID": "n1", "Version": {"Index": 7}, "Spec": SPEC}
LATE = refused("500 Internal Server Error", f"rpc error: code = Unknown desc = {OUT_OF_SEQUENCE}")


def test_the_daemons_own_part(tmp_path: Path) -> None:
    with (
        scripted(
            tmp_path, [PING, said({"Swarm": {"LocalNodeState": "active", "NodeID": "n1"}}), said({})]
        ) as (
            transport,
            _,
        ),
        Engine(transport) as engine,
    ):
        assert engine.swarm.state()["NodeID"] == "n1"
        assert engine.swarm.state() == {}


def test_beginning_joining_and_leaving(tmp_path: Path) -> None:
    lines: list[str] = []
    replies = [PING, said("n1"), answer(), answer(), answer(), answer()]
    with scripted(tmp_path, replies) as (transport, server), Engine(transport, trace=lines.append) as engine:
        assert engine.swarm.init({"ListenAddr": "0.0.0.0:2377"}) == "n1"
        engine.swarm.join({"JoinToken": "SWMTKN-1-x"})
        engine.swarm.leave()
        engine.swarm.leave(force=True)
        engine.swarm.unlock("SWMKEY-1-x")
    found = [request.line.split()[1].partition("/swarm")[2] for request in server.requests[1:]]
    assert found == ["/init", "/join", "/leave?force=0", "/leave?force=1", "/unlock"]
    assert json.loads(server.requests[2].body) == {"JoinToken": "SWMTKN-1-x"}
    assert json.loads(server.requests[5].body) == {"UnlockKey": "SWMKEY-1-x"}
    # Neither a token nor a key is in a trace.
    assert not any("SWM" in line for line in lines)


def test_an_update_of_a_node_that_somebody_else_has_changed(tmp_path: Path) -> None:
    newer = {**NODE, "Version": {"Index": 9}, "Spec": {**SPEC, "Labels": {"a": "b"}}}
    replies = [PING, said(NODE), LATE, said(newer), answer()]
    with scripted(tmp_path, replies) as (transport, server), Engine(transport) as engine:
        engine.swarm.update_node("n1", Availability="drain")
    assert [request.line.split()[1].partition("?")[2] for request in server.requests[1:]] == [
        "",
        "version=7",
        "",
        "version=9",
    ]
    wanted = {"Role": "manager", "Availability": "drain", "Labels": {"a": "b"}}
    assert json.loads(server.requests[4].body) == wanted


def test_an_update_that_changes_nothing_is_not_made(tmp_path: Path) -> None:
    with scripted(tmp_path, [PING, said(NODE)]) as (transport, server), Engine(transport) as engine:
        engine.swarm.update_node("n1", Role="manager")
    assert len(server.requests) == 2


def test_somebody_who_is_always_faster(tmp_path: Path) -> None:
    replies = [PING, *[said(NODE), LATE] * TRIES]
    with (
        scripted(tmp_path, replies) as (transport, server),
        Engine(transport) as engine,
        pytest.raises(ServerError, match=OUT_OF_SEQUENCE),
    ):
        engine.swarm.update_node("n1", Role="worker")
    assert len(server.requests) == 1 + 2 * TRIES


def test_another_error_is_not_tried_again(tmp_path: Path) -> None:
    with (
        scripted(tmp_path, [PING, said(NODE), refused("404 Not Found", "node n1 not found")]) as (
            transport,
            _,
        ),
        Engine(transport) as engine,
        pytest.raises(NotFound),
    ):
        engine.swarm.update_node("n1", Role="worker")


def test_a_new_key(tmp_path: Path) -> None:
    swarm = {"ID": "s", "Version": {"Index": 3}, "Spec": {"EncryptionConfig": {"AutoLockManagers": True}}}
    replies = [PING, said(swarm), answer(), said({"UnlockKey": "SWMKEY-1-x"}), said({"UnlockKey": ""})]
    with scripted(tmp_path, replies) as (transport, server), Engine(transport) as engine:
        engine.swarm.update(lambda spec: spec.update(Name="default"), rotate_unlock_key=True)
        assert engine.swarm.unlock_key() == "SWMKEY-1-x"
        assert engine.swarm.unlock_key() == ""
    assert server.requests[2].line.split()[1].endswith("/swarm/update?version=3&rotateManagerUnlockKey=1")
    assert json.loads(server.requests[2].body) == {**swarm["Spec"], "Name": "default"}  # type: ignore[dict-item]


def test_nodes_and_tasks(tmp_path: Path) -> None:
    replies = [PING, said([NODE]), said(NODE), answer(), said([{"ID": "t1", "NodeID": "n1"}]), said(None)]
    with scripted(tmp_path, replies) as (transport, server), Engine(transport) as engine:
        assert engine.swarm.nodes() == [NODE]
        assert engine.swarm.node("n1") == NODE
        engine.swarm.remove_node("n1", force=True)
        assert engine.swarm.tasks(filters={"node": ["n1"]}) == [{"ID": "t1", "NodeID": "n1"}]
        assert engine.swarm.tasks() == []
    assert server.requests[3].line.split()[:2] == ["DELETE", server.requests[3].line.split()[1]]
    assert server.requests[3].line.split()[1].endswith("/nodes/n1?force=1")


def test_a_node_without_an_id(tmp_path: Path) -> None:
    with (
        scripted(tmp_path, [PING, said([{"Spec": {}}])]) as (transport, _),
        Engine(transport) as engine,
        pytest.raises(ProtocolError, match="ID"),
    ):
        engine.swarm.nodes()

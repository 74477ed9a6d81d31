"""What reaches into a container VM: output, exec, attach.

vmware/vic: lib/apiservers/engine/backends/container.go.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dinv.testing.vch.rules import errors, fields
from dinv.testing.vch.rules.errors import VicError
from dinv.testing.vch.rules.port_layer import PortLayerError
from dinv.testing.vch.wire import relay
from dinv.testing.vch.wire.http import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from dinv.testing.vch.state import Container, Context, Vch

    JSON = dict[str, Any]

_FAKE_SIZE = 4096
_MODE_DIR = 1 << 31
_OUTPUT = "application/vnd.docker.raw-stream"
_FRAME_HEAD = 8
_EXEC_ROUNDS = 20
_STAT_HEADER = "X-Docker-Container-Path-Stat"
_NOT_FOUND = 404
_BAD_STREAMS = ("unexpected EOF", "invalid tar header", "Error processing tar file")
_SINCE_VIC_1_2 = ("since", "timestamps")


def container_logs(context: Context) -> Answer:
    """GET /containers/NAME/logs."""
    vch, container, request = context.vch, context.container, context.request
    asked = [name for name in _SINCE_VIC_1_2 if request.query.get(name) not in (None, "", "0", "false")]
    if asked and not vch.release.log_times:
        raise errors.not_implemented(f"ContainerLogs with {' and '.join(asked)}")
    if not (request.flag("stdout") or request.flag("stderr")):
        raise errors.bare("Bad parameters: you must choose at least one stream")
    tail = request.query.get("tail") or "all"
    if tail != "all" and not re.fullmatch(r"[+-]?[0-9]{1,18}", tail):
        raise errors.bare(f'error parsing tail option: strconv.ParseInt: parsing "{tail}": invalid syntax')
    since = request.query.get("since") or "0"
    if not re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]{1,9})?", since):
        raise errors.bare(f'strconv.ParseInt: parsing "{since.partition(".")[0]}": invalid syntax')
    query = {name: value for name, value in request.query.items() if name != "until"}
    context.ignore_query("until")
    try:
        vch.faults.below("GetContainerLogs")
    except PortLayerError:
        # The answer has begun by then.
        return Answer(200, iter(()), {"Content-Type": _OUTPUT})
    # One file has the output of both: which of them is asked for is no question.
    query |= {"stdout": "1", "stderr": "1", "tail": "all" if tail.startswith("-") else tail}
    answer = relay.stream(context, "GET", f"/containers/{container.id}/logs", query=query)
    if not container.asked.get("Tty"):
        answer.body = _as_stdout(answer.body)
    answer.headers["Content-Type"] = _OUTPUT
    return answer


def _as_stdout(pieces: Iterator[bytes] | bytes | None) -> Iterator[bytes]:
    """Docker's frames of output, all of them as standard output's."""
    held = b""
    left = 0
    for piece in pieces if pieces and not isinstance(pieces, bytes) else ():
        held += piece
        out = b""
        while held:
            if left:
                part, held = held[:left], held[left:]
                left -= len(part)
                out += part
            elif len(held) < _FRAME_HEAD:
                break
            else:
                left = int.from_bytes(held[4:_FRAME_HEAD], "big")
                out += b"\x01" + held[1:_FRAME_HEAD]
                held = held[_FRAME_HEAD:]
        if out:
            yield out


def container_wait(context: Context) -> Answer:
    """POST /containers/NAME/wait."""
    context.ignore_query("condition")
    container = context.container
    answer = relay.stream(context, "POST", f"/containers/{container.id}/wait")
    answer.body = _once_listed(context.vch, container, answer.body)
    return answer


def _once_listed(vch: Vch, container: Container, pieces: Iterator[bytes] | bytes | None) -> Iterator[bytes]:
    """What says that a container has ended, once the engine behind lists it as ended."""
    for piece in pieces if pieces and not isinstance(pieces, bytes) else ():
        vch.await_listed(container)
        yield piece


def container_stats(context: Context) -> Answer:
    """GET /containers/NAME/stats."""
    query = {"stream": context.request.query.get("stream", "1")}
    context.ignore_query("one-shot")
    return relay.stream(context, "GET", f"/containers/{context.container.id}/stats", query=query)


def container_changes(context: Context) -> Answer:
    """GET /containers/NAME/changes."""
    return Answer.json(context.vch.on(context.container, "GET", "/changes"))


def container_attach(context: Context) -> Answer:
    """POST /containers/NAME/attach."""
    container = context.container
    return relay.take_over(context, f"/containers/{container.id}/attach", query=context.request.query)


def container_resize(context: Context) -> Answer:
    """POST /containers/NAME/resize."""
    context.vch.on(context.container, "POST", "/resize", query=context.request.query)
    return Answer(200)


# Exec


def exec_create(context: Context) -> Answer:
    """POST /containers/NAME/exec: only while it runs; one that boots is waited for."""
    vch, body = context.vch, context.body("exec")
    if not body.get("Cmd"):
        raise errors.bare("No exec command specified")
    container = context.container
    context.call.ignored += fields.ignored_in_exec(body)
    found = vch.retried(lambda: _exec_create(context, container, body), rounds=_EXEC_ROUNDS)
    with vch.lock:
        vch.execs[found["Id"]] = container
    return Answer.json(found, 201)


def _exec_create(context: Context, container: Container, body: JSON) -> JSON:
    vch = context.vch
    vch.faults.below("Get")
    if container.starting:
        raise errors.conflict(f"container ({container.id}) is still starting")
    if not vch.inspect(container)["State"]["Running"]:
        raise errors.from_portlayer(f"container ({context.groups['name']}) is not running")
    vch.faults.below("Join")
    vch.faults.below("Commit")
    passed = {name: value for name, value in body.items() if name in fields.EXEC}
    found: JSON = vch.on(container, "POST", "/exec", body=passed)
    return found


def _exec(context: Context) -> str:
    """The exec that the path names. Raises 404."""
    identity = context.groups["id"]
    if identity not in context.vch.execs:
        # The way of all calls but inspect's (backends/container.go: ExecExists).
        raise errors.no_such_container(identity)
    return identity


def _still_there(context: Context) -> str:
    """The exec that the path names, of a container that runs. Raises 404."""
    vch, identity = context.vch, context.groups["id"]
    container = vch.execs[identity]
    if not vch.inspect(container)["State"]["Running"]:
        raise VicError(404, f"container ({container.id}) has been stopped")
    return identity


def exec_start(context: Context) -> Answer:
    """POST /exec/ID/start."""
    _exec(context)
    body = context.body("exec start")
    identity = _still_there(context)
    path = f"/exec/{identity}/start"
    if body.get("Detach"):
        context.vch.behind.json("POST", path, body=body)
        return Answer(200)
    return relay.take_over(context, path, query={}, body=body)


def exec_inspect(context: Context) -> Answer:
    """GET /exec/ID/json."""
    identity = context.groups["id"]
    if identity not in context.vch.execs:
        raise VicError(404, f"no container was found with exec id: {identity}")
    found = context.vch.behind.json("GET", f"/exec/{_still_there(context)}/json")
    process = found.get("ProcessConfig") or {}
    # The command is its own first argument, and an exit code is never null.
    process["arguments"] = [process.get("entrypoint", ""), *(process.get("arguments") or [])]
    return Answer.json({**found, "ProcessConfig": process, "ExitCode": int(found.get("ExitCode") or 0)})


def exec_resize(context: Context) -> Answer:
    """POST /exec/ID/resize."""
    context.vch.behind.json("POST", f"/exec/{_exec(context)}/resize", query=context.request.query)
    return Answer(200)


HANDLERS = {
    "ContainerLogs": container_logs,
    "ContainerWait": container_wait,
    "ContainerStats": container_stats,
    "ContainerChanges": container_changes,
    "ContainerAttach": container_attach,
    "ContainerResize": container_resize,
    "ContainerExecCreate": exec_create,
    "ContainerExecStart": exec_start,
    "ContainerExecInspect": exec_inspect,
    "ContainerExecResize": exec_resize,
}

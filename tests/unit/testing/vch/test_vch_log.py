from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dinv.testing.vch.log import Call, Calls

if TYPE_CHECKING:
    from pathlib import Path


def _call(path: str, api: str | None = "1.25", **attributes: object) -> Call:
    call = Call("GET", path, api)
    for name, value in attributes.items():
        setattr(call, name, value)
    return call


def test_each_call_is_a_line_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "calls.jsonl"
    calls = Calls(str(log))
    calls.add(_call("/info", status=200))
    calls.add(_call("/build", status=404, implemented=False, error="page not found"))
    first, second = (json.loads(line) for line in log.read_text().splitlines())
    calls.close()
    assert (first["path"], first["status"], first["implemented"]) == ("/info", 200, True)
    assert (second["path"], second["implemented"]) == ("/build", False)
    assert (first["error"], second["error"]) == ("", "page not found")


def test_what_tests_ask_for() -> None:
    calls = Calls()
    calls.add(_call("/a", ignored=["HostConfig.Privileged"]))
    calls.add(_call("/b", ignored=["HostConfig.Privileged", "Healthcheck"]))
    calls.add(_call("/c", implemented=False))
    calls.add(_call("/d", api="1.41"))
    calls.add(_call("/e", api=None))
    calls.add(_call("/f", failure="Traceback"))
    assert calls.ignored == ["HostConfig.Privileged", "Healthcheck"]
    assert [call.path for call in calls.unimplemented] == ["/c"]
    assert [call.path for call in calls.newer] == ["/d"]
    assert [call.path for call in calls.failures] == ["/f"]
    calls.add(_call("/g", status=404))
    calls.add(_call("/h", status=404, method="POST"))
    calls.add(_call("/i", status=404, implemented=False))
    calls.add(_call("/j", status=500, injected=True))
    calls.add(_call("/k", status=409))
    assert [call.path for call in calls.refused] == ["/h", "/i", "/k"], "to look in vain is no refusal"
    assert len(calls) == 11
    calls.clear()
    assert list(calls) == []

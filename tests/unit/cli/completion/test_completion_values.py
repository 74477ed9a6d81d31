"""What completion asks for: in time or not at all, and nothing that a terminal would not show as it is."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING, Any, Self

import pytest

from dinv.cli import main
from dinv.cli.completion import values as module
from dinv.cli.completion.values import LISTS, values
from dinv.endpoints import contexts
from dinv.errors import EndpointUnreachable, MachineNotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from dinv.machines import Machines


class Listing:
    def __init__(self, found: list[dict[str, Any]]) -> None:
        self.found = found

    def list(self, *, timeout: float) -> list[dict[str, Any]]:
        assert timeout <= module.ANSWER_SECONDS
        return self.found


class Fake:
    """Machines, their endpoint, a machine and its channel, all in one."""

    images = Listing([{"RepoTags": ["dinv:latest", "b:1", "<none>:<none>"]}, {"RepoTags": None}])
    networks = Listing([{"Name": "bridge"}, {"Name": "evil\x1b[2J"}])
    volumes = Listing([{"Name": "cache"}, {}])
    said = b"etc/\nexe\n.hidden\nx\x1by\nh\xc3\xa9\nbad\xff\n"

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def endpoint(self, named: str | None) -> Fake:
        self.asked.append(named)
        return self

    def get(self, name: str) -> Fake:
        if name != "dev":
            raise MachineNotFound(name)
        return self

    def channel(self) -> Fake:
        return self

    def run(self, argv: Sequence[str], *, stdout: Callable[[bytes], None], timeout: float) -> int:
        assert timeout <= module.ANSWER_SECONDS
        self.asked.append(list(argv))
        stdout(self.said)
        return 1  # of a link that leads nowhere


def found(kind: str, fake: Fake, **more: Any) -> list[str]:
    machines: Machines = fake  # type: ignore[assignment]
    return values(kind, machines, **more)


def test_objects_of_the_endpoint() -> None:
    fake = Fake()
    assert found("images", fake, endpoint="unix:///x") == ["b:1", "dinv:latest"]
    assert found("networks", fake) == ["bridge"]
    assert found("volumes", fake) == ["cache"]
    assert fake.asked == ["unix:///x", None, None]


@pytest.mark.parametrize(
    ("word", "where", "names"),
    [
        ("dev:", "/root/", ["dev:etc/", "dev:exe", "dev:h\xe9"]),
        ("dev:/", "/", ["dev:/etc/", "dev:/exe", "dev:/h\xe9"]),
        ("dev:/e", "/", ["dev:/etc/", "dev:/exe"]),
        ("root@dev:/a b/e", "/a b/", ["root@dev:/a b/etc/", "root@dev:/a b/exe"]),
        ("dev:.h", "/root/", ["dev:.hidden"]),
        ("dev:~/ex", "/root/", ["dev:~/exe"]),
        ("dev:-x/e", "/root/-x/", ["dev:-x/etc/", "dev:-x/exe"]),
    ],
)
def test_paths_in_a_machine(word: str, where: str, names: list[str]) -> None:
    fake = Fake()
    assert found("paths", fake, word=word) == names
    assert fake.asked == [["ls", "-1ApL", "--", where]]


@pytest.mark.parametrize("word", ["", "here", "./a:b", "nosuch:/e", "localhost:/e", "\0:"])
def test_no_paths_in_a_machine(word: str) -> None:
    assert found("paths", Fake(), word=word) == []


def test_endpoints_are_contexts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    for name in ("remote", "other"):
        directory = contexts._paths(name, None)[0]
        os.makedirs(directory)
        with open(os.path.join(directory, "meta.json"), "w", encoding="utf-8") as file:
            json.dump({"Name": name, "Endpoints": {}}, file)
    os.makedirs(tmp_path / "contexts" / "meta" / "spoilt")
    assert contexts.names() == ["other", "remote"]
    assert found("endpoints", Fake()) == ["other", "remote"]


def test_who_does_not_answer_offers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.05)

    released = threading.Event()

    class Silent(Fake):
        def endpoint(self, named: str | None) -> Fake:
            released.wait(120)
            return self

    try:
        assert found("images", Silent()) == []  # it is not waited for: it has not answered yet
    finally:
        released.set()


@pytest.mark.parametrize("error", [EndpointUnreachable("unix:///x", "refused"), KeyError("bug")])
def test_what_goes_wrong_is_said_to_nobody(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    class Broken(Fake):
        def endpoint(self, named: str | None) -> Fake:
            raise error

    assert found("images", Broken()) == []
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("kind", LISTS)
def test_by_the_command_line_as_the_scripts_call_it(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    store = str(tmp_path / "store")
    words = [
        "-s",
        store,
        "completion",
        "--list",
        kind,
        "--word=dev:/",
        "--endpoint",
        f"unix://{tmp_path}/none",
    ]
    assert main(words) == 0
    assert capsys.readouterr().out == ""

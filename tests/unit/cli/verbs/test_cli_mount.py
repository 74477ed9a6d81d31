"""dinv mount: its words, as docker-machine had them."""

from __future__ import annotations

from typing import Any

import pytest

from dinv.access import mount
from dinv.cli import main


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        mount,
        "mount",
        lambda machine, path, directory, *, user: found.append((machine.name, path, directory, user)),
    )
    monkeypatch.setattr(mount, "unmount", lambda directory: found.append((directory,)))
    return found


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (["dev:/root", "here"], ("dev", "/root", "here", "")),
        (["dev:/root"], ("dev", "/root", "/root", "")),
        (["dev:a:b"], ("dev", "a:b", "a:b", "")),
        (["ann@dev:", "here"], ("dev", "", "here", "ann")),
        (["/root", "here"], ("default", "/root", "here", "")),
        (["/srv/a:b", "here"], ("default", "/srv/a:b", "here", "")),
        (["-u", "dev:/root", "here"], ("here",)),
        (["dev:/root", "-unmount"], ("/root",)),
        (["-u", "here"], ("here",)),
        (["-u", "gone:", "here"], ("here",)),
    ],
)
@pytest.mark.usefixtures("world")
def test_whose_the_words_are(words: list[str], call: tuple[str, ...], calls: list[tuple[str, ...]]) -> None:
    for name in ("dev", "default"):
        assert main(["create", "-q", name]) == 0
    assert main(["mount", *words]) == 0
    assert calls == [call]


@pytest.mark.parametrize(
    "words", [["dev:"], ["-u", "dev:"], [], ["a", "b", "c"], ["nosuch:/x"], ["localhost:/x"]]
)
@pytest.mark.usefixtures("world")
def test_words_that_are_not_enough(
    words: list[str], calls: list[tuple[str, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mount", *words]) == 1
    assert calls == []
    said = capsys.readouterr().err
    assert any(
        text in said
        for text in ("mount dev: DIR", "number of arguments", '"nosuch" does not exist', "is a path here")
    )

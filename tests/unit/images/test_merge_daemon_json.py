"""daemon.json of a machine: dinv's options are merged in, and taken out again; all else stays."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

LIB = Path(__file__).parents[3] / "images" / "rootfs" / "usr" / "local" / "lib" / "dinv"

pytestmark = pytest.mark.skipif(shutil.which("jq") is None, reason="needs jq")

LIVE = "live-restore"
SCRIPT = """
lib=$LIB ours='{"live-restore":' daemon_json=$DIR/daemon.json
say() { printf '%s\\n' "$*" >&2; }
. "$LIB/daemon.sh"
given_json=$DIR/given.json put_json=$DIR/put.json
merge_daemon_json || exit 1
for argument in "$@"; do is_merged "$argument" && printf '%s\\n' "$argument"; done
exit 0
"""


class Files:
    """The files of a machine, in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def write(self, text: str) -> None:
        (self.directory / "daemon.json").write_text(text)

    @property
    def text(self) -> str:
        return (self.directory / "daemon.json").read_text()

    @property
    def content(self) -> Any:
        return json.loads(self.text)

    def merge(self, given: dict[str, Any], *arguments: str, status: int = 0) -> list[str]:
        """Merge what dinv gives; return which of dockerd's arguments are in the file then."""
        (self.directory / "given.json").write_text(json.dumps(given))
        environment = {**os.environ, "LIB": str(LIB), "DIR": str(self.directory)}
        done = subprocess.run(
            ["sh", "-c", SCRIPT, "sh", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
        assert done.returncode == status, done.stderr
        return done.stdout.splitlines()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_lists_are_joined_and_taken_out_again(files: Files) -> None:
    files.write('{"labels": ["owner=1"], "dns": ["10.0.0.1"]}')
    files.merge({"labels": ["provider=docker", "team=red"], "registry-mirrors": ["https://m"]})
    assert files.content == {
        "labels": ["owner=1", "provider=docker", "team=red"],
        "dns": ["10.0.0.1"],
        "registry-mirrors": ["https://m"],
    }
    files.merge({"labels": ["provider=docker"], "registry-mirrors": []})
    assert files.content == {
        "labels": ["owner=1", "provider=docker"],
        "dns": ["10.0.0.1"],
        "registry-mirrors": [],
    }
    files.merge({})
    assert files.content == {"labels": ["owner=1"], "dns": ["10.0.0.1"]}


def test_a_value_of_dinvs_holds_for_as_long_as_it_gives_one(files: Files) -> None:
    files.write('{"max-concurrent-downloads": 3}')
    files.merge({"max-concurrent-downloads": 10})
    files.merge({"max-concurrent-downloads": 12, "debug": True})
    assert files.content == {"max-concurrent-downloads": 12, "debug": True}
    files.merge({})
    assert files.content == {"max-concurrent-downloads": 3, "debug": False}, (
        "a dockerd that runs has to be told"
    )
    files.merge({})
    assert files.content == {"max-concurrent-downloads": 3}


def test_what_somebody_changes_in_the_machine_stays(files: Files) -> None:
    files.merge({"labels": ["a=1"], "debug": True})
    files.write('{"labels": ["a=1", "mine=1"], "debug": false}')
    files.merge({"labels": ["b=1"]})
    assert files.content == {"labels": ["mine=1", "b=1"], "debug": False}


def test_live_restore_is_told_apart_from_somebody_elses(files: Files) -> None:
    """The entrypoint knows its own by the file's first words (config.sh)."""
    files.write('{"live-restore":false,"labels":["a=1"]}\n')
    files.merge({"labels": ["b=1"]})
    assert files.text == '{"live-restore":false,"labels":["a=1","b=1"]}\n'
    files.write('{\n  "live-restore": true\n}')
    files.merge({"labels": ["b=1"]})
    assert not files.text.startswith('{"live-restore":')
    assert files.content == {LIVE: True, "labels": ["b=1"]}


def test_arguments_that_are_in_the_file_are_none_any_more(files: Files) -> None:
    given = {"labels": [], "registry-mirrors": [], "insecure-registries": [], "debug": True}
    arguments = [
        "--label=a=1",
        "--registry-mirror=m",
        "--insecure-registry=r",
        "--debug",
        "--mtu=1400",
        "--dns=1",
    ]
    assert files.merge(given, *arguments) == arguments[:4]
    assert files.merge({}, *arguments) == []


def test_a_file_that_cannot_be_read_is_left_alone(files: Files) -> None:
    files.write("{ no JSON")
    files.merge({"labels": ["a=1"]}, status=1)
    assert files.text == "{ no JSON"


values = some.one_of(some.lists(some.sampled_from("abcd"), unique=True), some.integers(1, 3))
objects = some.dictionaries(
    some.sampled_from(["labels", "registry-mirrors", "shutdown-timeout", "mtu"]), values
)


@settings(max_examples=10, deadline=None)
@given(own=objects, first=objects, second=objects)
def test_whatever_was_merged_before_the_last_counts(
    tmp_path_factory: pytest.TempPathFactory,
    own: dict[str, Any],
    first: dict[str, Any],
    second: dict[str, Any],
) -> None:
    twice, once = Files(tmp_path_factory.mktemp("twice")), Files(tmp_path_factory.mktemp("once"))
    # A list in one and a number in the other is nobody's daemon.json.
    for mine in (first, second):
        for key in list(mine):
            there = [each[key] for each in (own, first, second) if key in each]
            if len({isinstance(each, list) for each in there}) > 1:
                del mine[key]
    for files in (twice, once):
        files.write(json.dumps(own))
    twice.merge(first)
    for files in (twice, once):
        files.merge(second)
    assert without_empty(twice.content) == without_empty(once.content)
    assert set(second) <= set(twice.content)
    for key, value in second.items():
        has = twice.content[key]
        assert set(value) | set(own.get(key, [])) == set(has) if isinstance(value, list) else has == value


def without_empty(found: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if value != []}

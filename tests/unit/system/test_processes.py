from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING

import needs
import pytest

from dinv.system import processes

if TYPE_CHECKING:
    from collections.abc import Iterator

_SLEEP = "import sys, time; print(flush=True); time.sleep(60)"
_PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_SLEEP!r}])"


@pytest.fixture
def word() -> str:
    return f"word-{uuid.uuid4().hex}"


@pytest.fixture
def sleeper(word: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", _SLEEP, word, "", "a b"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


@needs.linux("it reads /proc")
def test_a_process_is_found_by_its_words(sleeper: subprocess.Popen[bytes], word: str) -> None:
    assert processes.find(lambda words: word in words) == [sleeper.pid]
    assert processes.command_line(sleeper.pid)[-3:-1] == [word, ""]


def test_part_of_a_word_is_not_the_word(sleeper: subprocess.Popen[bytes], word: str) -> None:
    assert processes.find(lambda words: word[:-1] in words) == []


@needs.linux("it reads /proc")
def test_a_zombie_is_not_found(sleeper: subprocess.Popen[bytes], word: str) -> None:
    processes.send([sleeper.pid], signal.SIGKILL)
    assert processes.wait([sleeper.pid], 10) == []
    assert os.path.exists(f"/proc/{sleeper.pid}")  # not reaped yet
    assert processes.find(lambda words: word in words) == []


@needs.linux("it reads /proc")
def test_what_does_not_end_is_returned(sleeper: subprocess.Popen[bytes]) -> None:
    assert processes.wait([sleeper.pid], 0.05) == [sleeper.pid]


def test_who_is_gone_takes_no_signal(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    sleeper.wait()
    processes.send([sleeper.pid], signal.SIGTERM)
    assert processes.command_line(sleeper.pid) == []


@needs.linux("it reads /proc")
def test_descendants_are_found_below_their_ancestor() -> None:
    with subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()  # the child's
        found = processes.with_descendants([parent.pid])
        assert found[0] == parent.pid
        assert len(found) == 2
        assert processes.command_line(found[1])[-1] == _SLEEP
        processes.send(found, signal.SIGKILL)


@needs.linux("it reads /proc")
def test_this_process_has_a_network_namespace() -> None:
    assert processes.network_namespace("self").startswith("net:")
    assert processes.network_namespace(os.getpid()) == processes.network_namespace("self")
    assert processes.network_namespace(2**22 + 1) == ""

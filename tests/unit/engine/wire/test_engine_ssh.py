from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import needs
import pytest
from engine_server import PING, answer, frame, scripted, unix_server

from dinv.engine import Deadline, Engine, parse_address
from dinv.engine.wire import ssh
from dinv.engine.wire.ssh import SSHByteStream
from dinv.errors import DeadlineExceeded, EndpointUnreachable

if TYPE_CHECKING:
    from pathlib import Path

    from engine_server import Peer

# Plays ssh and what it starts on the far side: connects standard input and output to a socket.
RELAY = """\
import os, socket, sys, threading
with open(os.environ["RELAY_ARGV"], "a") as file:
    file.write(" ".join(sys.argv[1:]) + "\\n")
sock = socket.socket(socket.AF_UNIX)
sock.connect(os.environ["RELAY_SOCKET"])
def out():
    while data := sock.recv(65536):
        while data:
            data = data[os.write(1, data):]
    os._exit(0)
threading.Thread(target=out).start()
while data := os.read(0, 65536):
    sock.sendall(data)
sock.shutdown(socket.SHUT_WR)
"""


@pytest.fixture
def fake_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    monkeypatch.setenv("RELAY_SOCKET", str(tmp_path / "s"))
    monkeypatch.setenv("RELAY_ARGV", str(tmp_path / "argv"))
    return directory / "ssh"


def _install(path: Path, script: str) -> None:
    path.write_text(script)
    path.chmod(0o755)


def _relay(path: Path) -> None:
    (path.parent / "relay.py").write_text(RELAY)
    _install(path, f'#!/bin/sh\nexec {sys.executable} -S {path.parent}/relay.py "$@"\n')


def test_one_ssh_for_many_calls(fake_ssh: Path, tmp_path: Path) -> None:
    _relay(fake_ssh)
    with (
        scripted(tmp_path, [PING, answer(b"{}"), answer(b"{}")]),
        Engine(parse_address("ssh://me@far:2222")) as engine,
    ):
        engine.info()
        engine.info()
    argv = (tmp_path / "argv").read_text().splitlines()
    assert len(argv) == 1
    assert "BatchMode=yes" in argv[0]
    assert argv[0].endswith("-l me -p 2222 -- far docker system dial-stdio")


def test_ssh_is_reaped(fake_ssh: Path, tmp_path: Path) -> None:
    _relay(fake_ssh)
    with scripted(tmp_path, [PING]):
        stream = parse_address("ssh://far").connect(Deadline(10))
        assert isinstance(stream, SSHByteStream)
        child = stream._child
        assert child.poll() is None
        stream.close()
        assert child.returncode is not None
        stream.close()


def test_half_close(fake_ssh: Path, tmp_path: Path) -> None:
    import io

    def play(peer: Peer) -> None:
        peer.request()
        peer.send(PING)
        peer.request()
        peer.send(b"HTTP/1.1 101 UPGRADED\r\n\r\n")
        peer.send(frame(1, b"got %d" % len(peer.read_to_end())))

    _relay(fake_ssh)
    out: list[bytes] = []
    with (
        unix_server(tmp_path, play),
        Engine(parse_address("ssh://far")) as engine,
        engine.hijack("/x", tty=False) as stream,
    ):
        stream.copy(stdin=io.BytesIO(b"x" * 500_000), stdout=out.append, timeout=20)
    assert b"".join(out) == b"got 500000"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("me@far: Permission denied (publickey).", "ssh-agent"),
        ("Host key verification failed.", "once by hand"),
        ("WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! Host key verification failed.", "ssh-keygen -R"),
        ("Received disconnect: Too many authentication failures", "IdentitiesOnly"),
        ("unknown command: dial-stdio", "too old"),
        ("permission denied while trying to connect to the Docker daemon socket", "docker group"),
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", "must run on that host"),
        ("Error: unrecognized command `podman system dial-stdio`", "has no dial-stdio"),
        ("dial unix /run/podman/podman.sock: connect: no such file or directory", "podman.socket"),
        ("ssh: Could not resolve hostname far: Name or service not known", "Could not resolve hostname"),
        ("", "ssh ended with status 255"),
    ],
)
def test_what_ssh_says_is_the_reason(fake_ssh: Path, words: str, expected: str) -> None:
    _install(fake_ssh, f"#!/bin/sh\necho ssh >>$RELAY_ARGV\necho '{words}' >&2\nexit 255\n")
    with (
        Engine(parse_address("ssh://far")) as engine,
        pytest.raises(EndpointUnreachable, match="ssh://far") as caught,
    ):
        engine.ping()
    assert words in caught.value.reason
    assert expected in caught.value.reason
    assert (fake_ssh.parent.parent / "argv").read_text() == "ssh\n"  # nothing was tried twice


@pytest.mark.parametrize(
    "words",
    [
        "sh: 1: docker: not found",
        "bash: line 1: docker: command not found",
        "zsh:1: command not found: docker",
        "fish: Unknown command: docker",
        "docker: Command not found.",
        "env: docker: No such file or directory",
        "ksh: docker: not found [No such file or directory]",
        "'docker' is not recognized as an internal or external command,",
        "docker : The term 'docker' is not recognized as the name of a cmdlet",
        "",
    ],
)
def test_no_docker_in_the_path_is_told_as_that(fake_ssh: Path, words: str) -> None:
    """After the other places were looked at, by a second ssh."""
    (fake_ssh.parent / "words").write_text(f"{words}\n")
    _install(fake_ssh, '#!/bin/sh\necho ssh >>$RELAY_ARGV\ncat "$(dirname "$0")/words" >&2\nexit 127\n')
    with Engine(parse_address("ssh://far")) as engine, pytest.raises(EndpointUnreachable) as caught:
        engine.ping()
    assert words in caught.value.reason
    assert "PATH of commands run by ssh" in caught.value.reason
    assert "too old" not in caught.value.reason
    assert (fake_ssh.parent.parent / "argv").read_text() == "ssh\nssh\n"


# Plays ssh to a host where $FAR_SHELL runs the command, with as little in PATH as there can be. The login's
# shell has more in its PATH, and greets.
FAR = """\
#!/bin/sh
while [ "$1" != -- ]; do shift; done
shift 2
exec env -i HOME="$FAR_HOME" SHELL="$FAR_HOME/shell" PATH="$FAR_HOME/tools" RELAY_ARGV="$RELAY_ARGV" \
    RELAY_SOCKET="$RELAY_SOCKET" "$FAR_SHELL" -c "$*"
"""
LOGIN_SHELL = '#!/bin/sh\necho "Welcome to far!"\nPATH=$HOME/bin\n[ "$1" = -lc ] && eval "/usr/bin/$2"\n'


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh", "fish", "tcsh"])
@pytest.mark.parametrize(
    ("program", "path", "said"),
    [
        ("docker", "", "system dial-stdio"),
        ("podman", "", "system dial-stdio"),
        ("docker", "/run/my%20docker.sock", "--host unix:///run/my docker.sock system dial-stdio"),
        ("podman", "/run/p.sock", "--url unix:///run/p.sock system dial-stdio"),
    ],
)
def test_docker_or_podman_beside_the_path(  # noqa: PLR0917  (the first two are fixtures)
    fake_ssh: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    program: str,
    path: str,
    said: str,
    shell: str,
) -> None:
    home = tmp_path / "home"
    for directory in ("bin", "tools"):
        (home / directory).mkdir(parents=True)
    for tool in ("sh", "tail"):
        (home / "tools" / tool).symlink_to(shutil.which(tool) or "")
    _install(home / "shell", LOGIN_SHELL)
    _relay(home / "bin" / program)
    _install(fake_ssh, FAR)
    monkeypatch.setenv("FAR_HOME", str(home))
    monkeypatch.setenv("FAR_SHELL", needs.program(shell))
    monkeypatch.setattr(ssh, "_LOOK", ssh._LOOK.replace(f":{ssh._PLACES}", ""))
    with (
        scripted(tmp_path, [PING, answer(b"{}")]),
        Engine(parse_address(f"ssh://far{path}")) as engine,
    ):
        engine.info()
    assert (tmp_path / "argv").read_text().splitlines() == [said]


def test_podman_where_there_is_a_docker_and_no_engine(
    fake_ssh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The docker CLI is in its PATH, and has nobody to talk to."""
    home = tmp_path / "home"
    for directory in ("bin", "tools"):
        (home / directory).mkdir(parents=True)
    for tool in ("sh", "tail"):
        (home / "tools" / tool).symlink_to(shutil.which(tool) or "")
    words = "dial unix /var/run/docker.sock: connect: no such file or directory"
    _install(home / "tools" / "docker", f"#!/bin/sh\necho '{words}' >&2\nexit 1\n")
    _install(home / "shell", LOGIN_SHELL)
    _relay(home / "bin" / "podman")
    _install(fake_ssh, FAR)
    monkeypatch.setenv("FAR_HOME", str(home))
    monkeypatch.setenv("FAR_SHELL", "/bin/sh")
    look = ssh._LOOK.replace(f":{ssh._PLACES}", "").replace("/var/run/docker.sock", "/nosuch")
    monkeypatch.setattr(ssh, "_LOOK", look)
    with scripted(tmp_path, [PING, answer(b"{}")]), Engine(parse_address("ssh://far")) as engine:
        engine.info()
    assert (tmp_path / "argv").read_text() == "system dial-stdio\n"
    (home / "bin" / "podman").unlink()
    with (
        Engine(parse_address("ssh://far")) as engine,
        pytest.raises(EndpointUnreachable, match="the engine must run on that host"),
    ):
        engine.ping()


def test_what_ssh_says_of_new_hosts_is_no_reason(fake_ssh: Path) -> None:
    _install(fake_ssh, "#!/bin/sh\necho 'Warning: Permanently added far to the list' >&2\nexit 255\n")
    with Engine(parse_address("ssh://far")) as engine, pytest.raises(EndpointUnreachable) as caught:
        engine.ping()
    assert caught.value.reason.startswith("ssh ended with status 255")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'Welcome to far!'; exec sleep 60", "Welcome to far!"),
        ("printf 'Last login: 2024\\nYou have mail.\\n'; exec sleep 60", "Last login: 2024; You have mail."),
        (
            "echo 'This account is currently not available.'; exit 1",
            "This account is currently not available.",
        ),
        ("echo Welcome; echo 'docker: gone' >&2; exit 1", "Welcome; docker: gone"),
        ("printf 'HTTP is fun\\r\\n\\r\\n'; exec sleep 60", "HTTP is fun"),
    ],
)
def test_a_chatty_start_up_file_is_told_as_that(
    fake_ssh: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    if script.endswith("exit 1"):
        monkeypatch.setattr(ssh, "_LAST_WORDS_SECONDS", 20)
    _install(fake_ssh, f"#!/bin/sh\n{script}\n")
    with Engine(parse_address("ssh://far")) as engine, pytest.raises(EndpointUnreachable) as caught:
        engine.ping()
    assert f'"{said}" before Docker could answer' in caught.value.reason
    assert "start-up file" in caught.value.reason


def test_ssh_that_hangs_meets_the_deadline(fake_ssh: Path) -> None:
    _install(fake_ssh, "#!/bin/sh\nexec sleep 60\n")
    with Engine(parse_address("ssh://far")) as engine, pytest.raises(DeadlineExceeded):
        engine.ping(timeout=0.2)


def test_no_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        Engine(parse_address("ssh://far")) as engine,
        pytest.raises(EndpointUnreachable, match="ssh is not installed"),
    ):
        engine.ping()


def test_the_host_is_the_one_behind_an_alias(fake_ssh: Path) -> None:
    script = '#!/bin/sh\n[ "$*" = "-G -- work" ] && printf "user me\\nhostname 10.1.2.3\\nport 22\\n"\n'
    _install(fake_ssh, script)
    assert parse_address("ssh://me@work").host == "10.1.2.3"


def test_the_host_is_as_given_where_ssh_does_not_tell(fake_ssh: Path) -> None:
    _install(fake_ssh, "#!/bin/sh\nexit 255\n")
    assert parse_address("ssh://me@work").host == "work"

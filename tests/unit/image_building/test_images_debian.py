from __future__ import annotations

import fcntl
import os
import signal
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import pytest

from dinv.errors import DeadlineExceeded, ImageBuildError
from dinv.image_building import debian
from dinv.image_building.debian import DebianBase, mirror_lines
from dinv.system.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "temporary"
    directory.mkdir()
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(directory))
    return directory


@pytest.fixture
def mmdebstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a Python program in the place of mmdebstrap, and of apt."""
    programs = tmp_path / "bin"
    programs.mkdir()
    keyring = tmp_path / "keyring.gpg"
    keyring.touch()
    monkeypatch.setattr(debian, "_KEYRING", str(keyring))
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    def write(code: str, apt: str = "") -> None:
        for name, text in (("mmdebstrap", code), ("apt-get", apt), ("apt-config", apt)):
            path = programs / name
            path.write_text(f"#!{sys.executable}\nimport os, sys, time\n{textwrap.dedent(text)}")
            path.chmod(0o755)

    return write


def base(told: list[str] | None = None, seconds: float = 20) -> DebianBase:
    lines: list[str] = [] if told is None else told
    return DebianBase(["one", "two"], b"context", report=lines.append, deadline=Deadline(seconds))


def read_all(archive: DebianBase) -> bytes:
    data = b""
    while piece := archive.read(1000):
        data += piece
    return data


def test_the_archive_comes_through_and_steps_are_told(mmdebstrap: Callable[[str], None]) -> None:
    mmdebstrap("""
        sys.stderr.write("I: downloading packages with apt...\\nI: using /secret/place\\nGet:1 x\\n")
        os.write(1, b"a" * 100000)
    """)
    told: list[str] = []
    with base(told) as archive:
        archive.wait_for_first_byte()
        assert read_all(archive) == b"a" * 100000
    assert told == ["Downloading packages with apt"]


def test_packages_and_context_go_in_and_mirrors_not_by_argument(
    mmdebstrap: Callable[..., None], temporary: Path
) -> None:
    mmdebstrap(
        """
        hook = next(a for a in sys.argv if "tar-in" in a)
        assert open(hook.split()[1], "rb").read() == b"context"
        assert "--include=one,two" in sys.argv
        print(sys.argv[-3:], repr(sys.stdin.read()), os.environ["http_proxy"])
        """,
        apt="""
        if sys.argv[1] == "indextargets":
            print("Debian|Debian|http://user:secret@mirror.test/debian/")
        elif sys.argv[3].startswith("Acquire::http:"):
            print("proxy='http://proxy.test:3128/'")
        """,
    )
    with base() as archive:
        said = read_all(archive).decode()
    assert said.startswith("['trixie', '-', '-'] 'deb http://user:secret@mirror.test/debian/ trixie main")
    assert said.endswith("http://proxy.test:3128/\n")


@pytest.mark.parametrize(
    ("given", "got"),
    [
        ({"HTTP_PROXY": "http://a"}, "http://a"),
        ({"http_proxy": "http://b", "HTTP_PROXY": "http://a"}, "http://b"),
        ({"http_proxy": "", "HTTP_PROXY": "http://a"}, ""),
    ],
)
def test_a_proxy_is_told_to_apt_in_its_own_spelling(
    mmdebstrap: Callable[..., None], monkeypatch: pytest.MonkeyPatch, given: dict[str, str], got: str
) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    mmdebstrap("print(os.environ['http_proxy'], os.environ.get('no_proxy'))")
    monkeypatch.setenv("NO_PROXY", "mirror.test")
    with base() as archive:
        assert read_all(archive).decode() == f"{got} mirror.test\n"


def test_a_failure_is_shown_with_the_last_lines(mmdebstrap: Callable[[str], None]) -> None:
    mmdebstrap("""
        sys.stderr.write("".join(f"line {n}\\n" for n in range(50)))
        sys.stderr.write("E: no such package")
        sys.stderr.write("\\n")
        sys.exit(25)
    """)
    with pytest.raises(ImageBuildError, match=r"line 49\n  E: no such package$"), base() as archive:
        archive.wait_for_first_byte()


def test_a_failure_after_output_is_not_taken_for_the_end(mmdebstrap: Callable[[str], None]) -> None:
    mmdebstrap("os.write(1, b'half'); sys.exit(1)")
    with base() as archive:
        archive.wait_for_first_byte()
        assert archive.read(1000) == b"half"
        with pytest.raises(ImageBuildError):
            archive.read(1000)


def test_closed_stderr_is_no_end(mmdebstrap: Callable[[str], None]) -> None:
    mmdebstrap("os.close(2); time.sleep(0.1); os.write(1, b'archive')")
    with base() as archive:
        assert read_all(archive) == b"archive"


def test_leaving_ends_the_program(mmdebstrap: Callable[[str], None], tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    mmdebstrap(f"open({str(pid)!r}, 'w').write(str(os.getpid())); os.write(1, b'x'); time.sleep(60)")
    with pytest.raises(KeyboardInterrupt), base() as archive:  # noqa: PT012 - both are the case
        archive.wait_for_first_byte()
        raise KeyboardInterrupt
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_program_that_does_not_want_to_end_is_killed_with_its_children(
    mmdebstrap: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian, "_STOP_SECONDS", 0.2)
    pid = tmp_path / "pid"
    mmdebstrap(f"""
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if child := os.fork():
            open({str(pid)!r}, 'w').write(str(child))
            os.write(1, b'x')
        time.sleep(60)
    """)
    with pytest.raises(KeyboardInterrupt), base() as archive:  # noqa: PT012 - both are the case
        archive.wait_for_first_byte()
        raise KeyboardInterrupt
    end = time.monotonic() + 10
    while time.monotonic() < end and _runs(int(pid.read_text())):
        time.sleep(0.02)
    assert not _runs(int(pid.read_text()))


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_deadline_holds(mmdebstrap: Callable[[str], None]) -> None:
    mmdebstrap("time.sleep(60)")
    with pytest.raises(DeadlineExceeded, match="Making the Debian base"), base(seconds=0.3) as archive:
        archive.wait_for_first_byte()


def test_what_a_killed_build_left_is_taken_away(mmdebstrap: Callable[[str], None], temporary: Path) -> None:
    left = temporary / f"dinv-image-build-{os.getuid()}" / "mmdebstrap.x" / "deep"
    left.mkdir(parents=True, mode=0o755)
    (left / "file").touch()
    mmdebstrap("os.write(1, b'x')")
    with base() as archive:
        assert not left.parent.exists()
        assert read_all(archive) == b"x"


def test_a_directory_of_somebody_else_is_not_used(mmdebstrap: Callable[[str], None], temporary: Path) -> None:
    mmdebstrap("os.write(1, b'x')")
    (temporary / f"dinv-image-build-{os.getuid()}").symlink_to(temporary)
    with pytest.raises(ImageBuildError, match="not a directory of yours alone"), base():
        pass


def test_builds_come_one_after_the_other(mmdebstrap: Callable[[str], None], temporary: Path) -> None:
    mmdebstrap("os.write(1, b'x')")
    directory = temporary / f"dinv-image-build-{os.getuid()}"
    directory.mkdir(mode=0o711)
    other = os.open(directory, os.O_RDONLY)
    told: list[str] = []
    try:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(DeadlineExceeded, match="another image build"), base(told, seconds=0.5):
            pass
    finally:
        os.close(other)
    assert told == ["Waiting for another image build to end"]
    with base() as archive:
        assert read_all(archive) == b"x"


def test_the_lock_lives_as_long_as_the_program(mmdebstrap: Callable[[str], None], temporary: Path) -> None:
    mmdebstrap("os.write(1, b'x'); time.sleep(60)")
    archive = base()
    with archive:
        archive.wait_for_first_byte()
        # As if dinv were killed: its own descriptor goes, the program's stays.
        os.close(archive._lock)
        again = os.open(temporary / f"dinv-image-build-{os.getuid()}", os.O_RDONLY)
        try:
            with pytest.raises(BlockingIOError):
                fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.kill(archive._process.pid, signal.SIGKILL)
            archive._process.wait()
            fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            archive._lock = again


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert debian.missing_tools() == "mmdebstrap is missing: apt-get install mmdebstrap"
    (tmp_path / "mmdebstrap").touch(mode=0o755)
    monkeypatch.setattr(debian, "_KEYRING", str(tmp_path / "none"))
    assert "apt-get install debian-archive-keyring" in debian.missing_tools()
    with pytest.raises(ImageBuildError, match="cannot be made here"), base():
        pass


def test_mirrors_are_debians_own() -> None:
    assert mirror_lines([]) == []
    assert mirror_lines(["Ubuntu|Ubuntu|http://u.test/"]) == []
    assert mirror_lines(["Debian|Debian-Security|http://s.test/"]) == []
    assert mirror_lines(
        [
            "Other|Debian|http://x.test/",
            "Debian|Debian|http://a.test/debian/",
            "Debian|Debian|http://b.test/",
            "Debian|Debian-Security|http://s.test/",
            "Debian|Debian Backports|http://c.test/",
            "nonsense",
            "Debian|Debian|with blank http://d.test/",
        ]
    ) == [
        "deb http://a.test/debian/ trixie main",
        "deb http://a.test/debian/ trixie-updates main",
        "deb http://s.test/ trixie-security main",
    ]

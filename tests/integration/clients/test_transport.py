"""dinv ssh in ssh's place: rsync, sftp, scp --delta, mount; real machines and programs."""

from __future__ import annotations

import io
import os
import shlex
import stat
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest
import ssh_server
from users import LONG, User, command, eventually

from dinv.channel import File
from dinv.lifecycle.host import Host
from dinv.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def user(
    tmp_path_factory: pytest.TempPathFactory, endpoint_address: str, machine_image: str
) -> Iterator[User]:
    """A user with the machine m, and theirs and six, which docker-machine made."""
    user = User(str(tmp_path_factory.mktemp("home dir")), endpoint_address)
    name = user.name("m")
    with ssh_server.running(str(tmp_path_factory.mktemp("sshd"))) as server:
        server.record(user.store, "theirs")
        server.record(user.store, "six", "::1")
        try:
            user.dinv("create", "--no-context", name)
            yield user
        finally:
            user.end_begun()
            user.dinv("rm", "-f", "-y", name, status=None)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A directory with all kinds of things in it."""
    top = tmp_path / "from here"
    (top / "a b" / "ü").mkdir(parents=True)
    (top / "a b" / "ü" / "new\nline").write_bytes(b"x" * 513)
    (top / "data").write_bytes(os.urandom(3_000_000))
    (top / "all").write_bytes(bytes(range(256)) * 7)
    (top / "nothing").write_bytes(b"")
    (top / "data").chmod(0o4640)
    (top / "link").symlink_to("a b/ü")
    return top


def tree(top: Path) -> dict[str, tuple[int, object]]:
    found: dict[str, tuple[int, object]] = {}
    for at in sorted(top.rglob("*")):
        what: object = os.readlink(at) if at.is_symlink() else at.read_bytes() if at.is_file() else None
        found[str(at.relative_to(top))] = (at.lstat().st_mode & ~stat.S_ISUID, what)
    return found


def run(user: User, *argv: str, data: bytes = b"", status: int = 0) -> bytes:
    done = subprocess.run(
        argv, env=user.environment, input=data, capture_output=True, timeout=LONG, check=False
    )
    assert done.returncode == status, (done.stdout, done.stderr)
    return done.stdout


def dinv_ssh(directory: Path) -> str:
    """A program that is `dinv ssh`, for those that want one word."""
    program = directory / "dinv-ssh"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(command("ssh"))} "$@"\n')
    program.chmod(0o755)
    return str(program)


# In ssh's place


def test_rsync_both_ways(user: User, m: str, box: str, here: Path, tmp_path: Path) -> None:
    shell = " ".join(command("ssh"))
    run(user, "rsync", "-a", "-e", shell, f"{here}/", f"root@{m}:{box}/there/")
    run(user, "rsync", "-a", "-e", shell, f"{m}:{box}/there/", f"{tmp_path}/back/")
    assert tree(tmp_path / "back") == tree(here)


def test_sftp_and_scp(user: User, m: str, box: str, here: Path, tmp_path: Path) -> None:
    ssh = dinv_ssh(tmp_path)
    run(user, "scp", "-q", "-S", ssh, f"{here}/data", f"{m}:{box}/new")
    listed = run(user, "sftp", "-q", "-S", ssh, "-b", "-", m, data=f"ls {box}\n".encode())
    assert f"{box}/new" in listed.decode().splitlines()[-1]
    run(user, "scp", "-q", "-O", "-S", ssh, f"{m}:{box}/new", f"{tmp_path}/back")
    assert (tmp_path / "back").read_bytes() == (here / "data").read_bytes()


def test_git(user: User, m: str, box: str, tmp_path: Path) -> None:
    ssh = shlex.join(command("ssh"))
    user.dinv("ssh", m, f"git init -q --bare {box}/repository")
    script = f"""
        export GIT_SSH_COMMAND={shlex.quote(ssh)} HOME={tmp_path}
        git clone -q ssh://root@{m}:22{box}/repository {tmp_path}/clone && cd {tmp_path}/clone
        git -c user.name=a -c user.email=b commit -q --allow-empty -m first
        git push -q origin HEAD && git -c protocol.version=2 fetch -4 -q
    """
    run(user, "sh", "-ec", script)
    assert "first" in user.dinv("ssh", m, f"git -C {box}/repository log --all --oneline").stdout


# scp --delta


def test_delta_both_ways(user: User, m: str, box: str, here: Path, tmp_path: Path) -> None:
    user.dinv("scp", "-d", "-r", "-q", f"{here}/", f"{m}:{box}/t")
    again = user.dinv("scp", "-r", "--delta", f"{here}/", f"{m}:{box}/t").stdout
    assert "data" not in again, "it was there already"
    (here / "nothing").write_bytes(b"something")
    assert "nothing" in user.dinv("scp", "-r", "--delta", f"{here}/", f"{m}:{box}/t").stdout
    quiet = user.dinv("scp", "-d", "-r", "-q", f"{m}:{box}/t/", str(tmp_path / "back"))
    assert (quiet.stdout, quiet.stderr) == ("", "")
    assert tree(tmp_path / "back") == tree(here)
    assert user.dinv("ssh", m, f"find {box} -perm /6000").stdout == ""


def test_links_that_lead_out_do_not_come(user: User, m: str, box: str, tmp_path: Path) -> None:
    user.dinv("ssh", m, f"cd {box}; ln -s /etc/passwd out; ln -s f in; echo x > f")
    user.dinv("scp", "-d", "-r", "-q", f"{m}:{box}/", str(tmp_path / "back"))
    assert sorted(os.listdir(tmp_path / "back")) == ["f", "in"]


def test_what_keeps_delta_from_working(user: User, m: str, tmp_path: Path) -> None:
    hidden = "mv /usr/bin/rsync /usr/bin/rsync.hidden"
    user.dinv("ssh", m, hidden)
    try:
        assert "has no rsync" in user.fails("scp", "-d", f"{m}:/etc/hosts", str(tmp_path))
    finally:
        user.dinv("ssh", m, "mv /usr/bin/rsync.hidden /usr/bin/rsync")
    # rsync's own error, and status.
    assert "No such file" in user.dinv("scp", "-d", f"{m}:/nope", str(tmp_path), status=23).stderr


# mount


@pytest.fixture
def mountpoint(user: User, tmp_path: Path) -> Iterator[Path]:
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("this kernel has no FUSE")
    path = tmp_path / "mount, point"
    path.mkdir()
    yield path
    if mounts(path):
        user.dinv("mount", "-u", str(path), status=None)


def mounts(path: Path) -> bool:
    escaped = str(path).replace(" ", "\\040")
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return any(line.split()[4] == escaped for line in file)


def test_a_mount(user: User, m: str, box: str, mountpoint: Path) -> None:
    user.dinv("ssh", m, f"mkdir '{box}/a b'; echo there > '{box}/a b/file'")
    mounted = user.dinv("mount", f"{m}:{box}/a b", str(mountpoint))
    assert (mounted.stdout, mounted.stderr) == ("", "")
    assert (mountpoint / "file").read_text() == "there\n"
    data = os.urandom(2_000_000)
    (mountpoint / "new").write_bytes(data)
    assert run(user, *command("ssh", m, f"cat '{box}/a b/new'")) == data
    assert "already" in user.fails("mount", f"{m}:{box}", str(mountpoint))
    with (mountpoint / "file").open():
        assert "-u -z" in user.fails("mount", "-u", f"{m}:{box}/a b", str(mountpoint))
    user.dinv("mount", "-u", f"{m}:{box}/a b", str(mountpoint))
    assert os.listdir(mountpoint) == []
    assert "Nothing is mounted" in user.fails("mount", "-u", str(mountpoint))


def test_a_mount_ends_with_its_machine(user: User, m: str, mountpoint: Path) -> None:
    user.dinv("mount", f"{m}:", str(mountpoint))
    try:
        user.dinv("stop", m)
        eventually(lambda: not mounts(mountpoint))
        assert os.listdir(mountpoint) == []
        assert "is not running" in user.fails("mount", f"{m}:", str(mountpoint))
    finally:
        user.dinv("start", m)


def test_what_keeps_a_mount_from_working(user: User, m: str, mountpoint: Path) -> None:
    assert "No such file" in user.fails("mount", f"{m}:/nope", str(mountpoint))
    server = user.dinv("ssh", m, "ls -d /usr/lib/openssh /usr/libexec/openssh", status=None).stdout.split()[0]
    user.dinv("ssh", m, f"mv {server} {server}.hidden")
    try:
        assert "has no sftp-server" in user.fails("mount", f"{m}:/", str(mountpoint))
        assert "has no sftp-server" in user.fails("ssh", "-s", m, "sftp")
    finally:
        user.dinv("ssh", m, f"mv {server}.hidden {server}")
    assert not mounts(mountpoint)


# Machines that docker-machine made; their sshd is on this computer


def test_copies_to_and_from_theirs(user: User, m: str, box: str, here: Path, tmp_path: Path) -> None:
    (tmp_path / "their").mkdir()
    (here / "link").unlink()  # scp follows it
    user.dinv("scp", "-r", "-q", str(here), f"theirs:{tmp_path}/their/one")
    user.dinv("scp", "-r", f"theirs:{tmp_path}/their/one", f"six:{tmp_path}/their/two")
    user.dinv("scp", "-r", f"six:{tmp_path}/their/two", f"{m}:{box}/three")
    user.dinv("scp", "-r", f"{m}:{box}/three/.", f"theirs:{tmp_path}/their/four")
    user.dinv("scp", "-r", f"root@six:{tmp_path}/their/four", f"{tmp_path}/back")
    assert {path: what for path, (_, what) in tree(tmp_path / "back").items()} == {
        path: what for path, (_, what) in tree(here).items()
    }
    said = user.dinv("scp", "theirs:/nope", str(tmp_path), status=1).stderr
    assert "No such file" in said, "scp's own words"
    assert said.splitlines()[-1].endswith("scp ended with status 1")
    user.dinv("scp", "-d", "-r", "-q", f"{here}/", f"six:{tmp_path}/their/five")
    assert tree(tmp_path / "their" / "five") == tree(here)


def test_theirs_mounted(user: User, here: Path, mountpoint: Path) -> None:
    for name in ("theirs", "six"):
        user.dinv("mount", f"{name}:{here}", str(mountpoint))
        assert sorted(os.listdir(mountpoint)) == sorted(os.listdir(here))
        user.dinv("mount", "-u", f"{name}:{here}", str(mountpoint))


@pytest.mark.parametrize("name", ["theirs", "six"])
def test_a_channel_into_theirs(user: User, name: str, tmp_path: Path) -> None:
    store = Store(user.store)
    channel = Host(store.load(name), store).driver.channel()
    said = bytearray()
    argv = ["sh", "-c", 'cat; echo "$A $1"; exit 7', "sh", "a  b'c"]
    status = channel.run(
        argv, stdin=io.BytesIO(b"x\n"), stdout=said.extend, environment={"A": "y z"}, timeout=LONG
    )
    assert (status, bytes(said)) == (7, b"x\ny z a  b'c\n")
    channel.put([File(f"{tmp_path}/new/f", b"content", 0o640)])
    found = channel.stat(f"{tmp_path}/new/f")
    assert found is not None
    assert (found.is_regular, found.size) == (True, 7)
    with channel.get_archive(f"{tmp_path}/new") as archive:
        packed = b"".join(iter(lambda: archive.read(4096), b""))
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        assert sorted(tar.getnames()) == ["new", "new/f"]
    typed = bytearray()
    with channel.open_terminal(["sh", "-c", "read x; echo got $x; stty size"], environment={}) as terminal:
        terminal.resize(rows=33, columns=77)
        terminal.copy(stdin=io.BytesIO(b"word\n"), stdout=typed.extend)
        assert terminal.exit_status() == 0
    assert b"got word" in typed
    assert b"33 77" in typed


def test_theirs_that_lets_nobody_in(user: User, mountpoint: Path) -> None:
    key = os.path.join(user.store, "machines", "theirs", "id_rsa")
    os.rename(key, f"{key}.old")
    try:
        run(user, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
        assert "Permission denied" in user.fails("mount", "theirs:/", str(mountpoint))
    finally:
        os.rename(f"{key}.old", key)
        os.unlink(f"{key}.pub")  # ssh would offer it, and not the key


def test_theirs_take_ssh_s_options(user: User, tmp_path: Path) -> None:
    assert (
        user.dinv("ssh", "-x", "-o", "SetEnv=LC_X=1", "theirs", "-T", "--", "echo", "-n", "x").stdout == "x"
    )
    shell = " ".join(command("ssh"))
    (tmp_path / "f").write_bytes(b"\0\xff\r\n")
    run(user, "rsync", "-e", shell, f"{tmp_path}/f", f"theirs:{tmp_path}/g")
    assert (tmp_path / "g").read_bytes() == b"\0\xff\r\n"

"""`dinv mount`: a directory of a machine, mounted here by sshfs over `dinv ssh`.

sshfs runs ssh with the subsystem sftp; `dinv ssh` does that by exec, so no sshd has to run in the machine.
It lives on in a session of its own, and is not told to reconnect: when the machine stops, or is removed,
sshfs unmounts and ends. Who uses the mount then gets errors, and nothing hangs.
"""

from __future__ import annotations

import os

from dinv.access import ssh, ssh_options
from dinv.errors import DeadlineExceeded, MountError
from dinv.system import mounts, programs, scratch
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess

    from dinv.lifecycle.host import Host

MOUNT_SECONDS = 60.0
UNMOUNT_SECONDS = 30.0
_STOP_SECONDS = 5.0
_LAST_LINES = 3
_DEVICE = "/dev/fuse"
_COMMAND = "DINV_SSH_COMMAND"
# sshfs splits this at each blank and knows no quotes (sshfs.c: tokenize_on_space), so the command itself is
# in a variable. What sshfs appends, the machine's name last but one, is "$@".
_SSH_COMMAND = f'/bin/sh -c eval${{IFS}}"${_COMMAND}" ssh'
_OPTIONS = (
    f"ssh_command={_SSH_COMMAND}",
    # root's files there are the user's here, as they are after scp.
    "idmap=user",
    # Of use to docker-machine's machines, to find that the other side has gone without a word.
    "ServerAliveInterval=15",
    "ServerAliveCountMax=3",
)


def mount(machine: Host, path: str, directory: str, *, user: str = "") -> None:
    """Mount a directory of a running machine on an empty one here; it stays when this process has ended.

    `path` is relative to the user's home; `user` "" for root, or the one that docker-machine has stored.
    Raises ProgramMissing, MountError for what has to be done here first or with sshfs's own words,
    MachineNotRunning, MachineError when its image has no sftp-server, DeadlineExceeded.
    """
    import shlex

    sshfs = programs.find("sshfs", "mount")
    where = _mountpoint(directory)
    address = machine.driver.ssh_address()
    if address is not None:
        programs.find("ssh", address.whose)
    else:
        _check_has_sftp(machine, user)
    path = "" if path == "~" else path.removeprefix("~/")
    login = f"{user}@{machine.name}" if user else machine.name
    options = [word for option in _OPTIONS for word in ("-o", option)]
    transport = ssh.transport(machine.store.path)
    environment = {**os.environ, _COMMAND: f'exec {shlex.join(transport)} "$@"'}
    source = f"{login}:{path}"
    failure = _start([sshfs, *options, source, where], environment, source)
    if failure:
        said = _said_by_ssh([*transport, "-oBatchMode=yes", "-s", "--", login, ssh_options.SUBSYSTEM])
        raise MountError(f"{source} cannot be mounted: {said or failure}")


def unmount(directory: str) -> None:
    """Take a mount of sshfs's away, whether or not its machine is still there.

    Raises MountError where nothing of sshfs's is mounted, or it cannot be unmounted; DeadlineExceeded.
    """
    import shlex
    import subprocess

    where = os.path.realpath(directory)
    kind = mounts.kind_at(where)
    if kind == "":
        raise MountError(f"Nothing is mounted at {directory}")
    if kind not in (None, "fuse.sshfs"):
        raise MountError(f"What is mounted at {directory} is {kind}, and no mount of sshfs's")
    command = [*_unmounter(), where]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=UNMOUNT_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise DeadlineExceeded(f"Unmounting {directory}", UNMOUNT_SECONDS) from error
    if done.returncode == 0:
        return
    said = done.stderr.strip() or f"{os.path.basename(command[0])} ended with status {done.returncode}"
    hint = ""
    if "busy" in said:
        lazy = shlex.join([*command[:-1], "-z" if "-u" in command else "-l", where])
        hint = f"\nClose what is open there, and leave the directory. To take it away all the same: {lazy}"
    raise MountError(f"{directory} cannot be unmounted: {said}{hint}")


def _unmounter() -> list[str]:
    """fusermount3 is libfuse 3's, and fusermount is that of 2; where there is no libfuse, there is umount."""
    import shutil

    for name in ("fusermount3", "fusermount"):
        found = shutil.which(name)
        if found is not None:
            return [found, "-u"]
    return [programs.find("umount", "mount")]


def _mountpoint(directory: str) -> str:
    """The directory to mount on, as an absolute path. Raises MountError."""
    import shlex

    quoted = shlex.quote(directory)
    where = os.path.realpath(directory)
    if mounts.kind_at(where):
        raise MountError(
            f"Something is mounted at {directory} already. To unmount it: "
            + command("mount", "-u", directory)
        )
    try:
        found = os.listdir(where)
    except FileNotFoundError as error:
        raise MountError(
            f"There is no directory {directory} here to mount on. Make it: mkdir -p {quoted}"
        ) from error
    except OSError as error:
        raise MountError(f"{directory} cannot be mounted on: {error.strerror}") from error
    if found:
        raise MountError(
            f"{directory} is not empty: what is in it could not be seen. Name an empty directory"
        )
    if os.path.exists(mounts.MOUNTS) and not os.access(_DEVICE, os.R_OK | os.W_OK):
        why = "may not be used" if os.path.exists(_DEVICE) else "is missing"
        raise MountError(
            f"{_DEVICE} {why} on this computer, and without it nothing can be mounted by sshfs: run modprobe "
            f"fuse as root; a container has to be given it (docker run --device {_DEVICE})"
        )
    return where


def _check_has_sftp(machine: Host, user: str) -> None:
    if user:
        ssh_options.Session([("l", user)])
    look = " || ".join(f"[ -x {server} ]" for server in ssh.SFTP_SERVERS)
    ssh.check_has(machine, look, *ssh.SFTP)


def _start(command: list[str], environment: dict[str, str], source: str) -> str:
    """Run sshfs, which goes on in the background once it has mounted; what it says if it fails, or ""."""
    import subprocess

    # Not a pipe: what sshfs leaves running keeps it open. And a session of its own, or a Ctrl-C that is meant
    # for what comes after us in a script would end the mount.
    with scratch.small() as said:
        try:
            child = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        except OSError as error:
            raise MountError(f"{command[0]} cannot be run: {error.strerror}") from error
        try:
            status = child.wait(MOUNT_SECONDS)
        except subprocess.TimeoutExpired as error:
            _end(child)
            raise DeadlineExceeded(f"Mounting {source}", MOUNT_SECONDS) from error
        except BaseException:
            _end(child)
            raise
        said.seek(0)
        return (_last_lines(said.read()) or f"sshfs ended with {status}") if status else ""


def _said_by_ssh(command: list[str]) -> str:
    """Why ssh cannot reach the other side, or "" if it can: sshfs 3.7 shows nothing of what ssh says."""
    import subprocess

    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=MOUNT_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return _last_lines(done.stderr) if done.returncode else ""


def _end(child: subprocess.Popen[bytes]) -> None:
    """End sshfs and the ssh that it has started."""
    import signal
    import subprocess

    os.killpg(child.pid, signal.SIGTERM)
    try:
        child.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _last_lines(said: bytes) -> str:
    lines = said.decode(errors="replace").splitlines()
    return "\n".join([line.removeprefix("dinv: ") for line in lines if line.strip()][-_LAST_LINES:])

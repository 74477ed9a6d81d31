"""`dinv mount`: mount a directory of a machine on this computer, by sshfs over `dinv ssh`.

sshfs runs ssh with the subsystem sftp; `dinv ssh` does that by exec, so the machine needs no sshd. sshfs runs
in its own session and is not told to reconnect: when the machine stops or is removed, it unmounts and exits.
Programs that use the mount then get errors instead of hanging.
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
# sshfs splits this at each blank and does not understand quotes (sshfs.c: tokenize_on_space), so the command
# itself is in a variable. "$@" is what sshfs appends; the machine's name is its last word but one.
_SSH_COMMAND = f'/bin/sh -c eval${{IFS}}"${_COMMAND}" ssh'
_OPTIONS = (
    f"ssh_command={_SSH_COMMAND}",
    # Files of root in the machine appear as the user's own here, as they do after scp.
    "idmap=user",
    # For docker-machine's machines, to notice when the other side disappears without closing.
    "ServerAliveInterval=15",
    "ServerAliveCountMax=3",
)


def mount(machine: Host, path: str, directory: str, *, user: str = "") -> None:
    """Mount a directory of a running machine on an empty one here; the mount outlives this process.

    `path` is relative to the user's home. `user` "" means root, or the user that docker-machine recorded.
    Raises ProgramMissing, MountError if something has to be done here first or with sshfs's own message,
    MachineNotRunning, MachineError if its image has no sftp-server, DeadlineExceeded.
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
    """Unmount a directory mounted by sshfs, whether or not its machine still exists.

    Raises MountError if no sshfs is mounted there or it cannot be unmounted, DeadlineExceeded.
    """
    import shlex
    import subprocess

    where = os.path.realpath(directory)
    kind = mounts.kind_at(where)
    if kind == "":
        raise MountError(f"Nothing is mounted at {directory}")
    if kind not in (None, "fuse.sshfs"):
        raise MountError(f"What is mounted at {directory} is {kind}, not an sshfs mount")
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
        hint = f"\nClose the files that are open there, and leave the directory. To unmount it anyway: {lazy}"
    raise MountError(f"{directory} cannot be unmounted: {said}{hint}")


def _unmounter() -> list[str]:
    """Return the command to unmount: fusermount3 of libfuse 3, fusermount of libfuse 2, else umount."""
    import shutil

    for name in ("fusermount3", "fusermount"):
        found = shutil.which(name)
        if found is not None:
            return [found, "-u"]
    return [programs.find("umount", "mount")]


def _mountpoint(directory: str) -> str:
    """Check the directory to mount on; return its absolute path. Raises MountError."""
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
            f"The directory {directory} to mount on does not exist. Create it: mkdir -p {quoted}"
        ) from error
    except OSError as error:
        raise MountError(f"{directory} cannot be mounted on: {error.strerror}") from error
    if found:
        raise MountError(
            f"{directory} is not empty: the mount would hide its content. Name an empty directory"
        )
    if os.path.exists(mounts.MOUNTS) and not os.access(_DEVICE, os.R_OK | os.W_OK):
        why = "may not be used" if os.path.exists(_DEVICE) else "is missing"
        raise MountError(
            f"{_DEVICE} {why} on this computer, and sshfs cannot mount without it: run modprobe fuse as "
            f"root; in a container, it has to be passed in (docker run --device {_DEVICE})"
        )
    return where


def _check_has_sftp(machine: Host, user: str) -> None:
    if user:
        ssh_options.Session([("l", user)])
    look = " || ".join(f"[ -x {server} ]" for server in ssh.SFTP_SERVERS)
    ssh.check_has(machine, look, *ssh.SFTP)


def _start(command: list[str], environment: dict[str, str], source: str) -> str:
    """Run sshfs, which moves to the background once mounted; return its message if it fails, else ""."""
    import subprocess

    # Not a pipe, since the background sshfs would keep it open. And its own session, or a Ctrl-C meant for a
    # later command of a script would end the mount.
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
    """Return why ssh cannot connect, or "" if it can: sshfs 3.7 does not show the messages of ssh."""
    import subprocess

    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=MOUNT_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return _last_lines(done.stderr) if done.returncode else ""


def _end(child: subprocess.Popen[bytes]) -> None:
    """End sshfs and the ssh that it started."""
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

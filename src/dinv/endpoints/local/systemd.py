"""dinv's own engine under systemd: a unit that starts it at boot, and a unit that its dockerd runs in.

Without a unit of its own, a dockerd started in a login session belongs to the session's scope, and ends at
log-out if logind has KillUserProcesses=yes. Sources: systemd.service(5), systemd-run(1).
"""

from __future__ import annotations

import os

from dinv.errors import LocalEngineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

RUNS = "/run/systemd/system"
"""Exists if systemd is the init (sd_booted(3))."""
UNITS = "/etc/systemd/system"
COMMAND_SECONDS = 60.0

# After docker.service, if there is one: an engine that sees another leaves the firewall's shared rules alone.
_UNIT = """\
# Made by dinv engine enable; dinv engine disable removes it.
[Unit]
Description=dinv's own Docker engine, store {store}
Wants=network-online.target
After=network-online.target docker.service
RequiresMountsFor={store_quoted}

[Service]
{environment}Type=oneshot
RemainAfterExit=yes
ExecStart={start}
ExecStop={stop}
TimeoutStartSec=180
TimeoutStopSec=180

[Install]
WantedBy=multi-user.target
"""

# For a unit whose processes make cgroups of their own; a stop ends dockerd, which ends its containers.
_PROPERTIES = ("Delegate=yes", "KillMode=process", "TasksMax=infinity", "LimitNOFILE=1048576")


def in_charge() -> bool:
    """Return whether systemd runs this computer."""
    return os.path.isdir(RUNS)


class BootUnit:
    """The unit that starts a store's engine at boot; `name` is unique to the store, like its bridge's."""

    def __init__(self, name: str, store_path: str) -> None:
        self.name = f"{name}-engine.service"
        self.path = os.path.join(UNITS, self.name)
        self._store_path = store_path

    @property
    def enabled(self) -> bool:
        return os.path.lexists(self.path)

    def enable(self) -> None:
        """Write the unit, and enable it at boot. Raises LocalEngineError."""
        from dinv.system import files

        try:
            files.write(self.path, self.text().encode("utf-8", "surrogateescape"), mode=0o644)
        except OSError as error:
            raise LocalEngineError(f"{self.path} cannot be written: {error.strerror}") from error
        try:
            _systemctl("daemon-reload")
            _systemctl("enable", self.name)
        except LocalEngineError:
            os.unlink(self.path)
            raise

    def disable(self) -> bool:
        """Remove the unit; return whether it existed. A running engine goes on. Raises LocalEngineError."""
        if not self.enabled:
            return False
        _systemctl("disable", self.name)
        try:
            os.unlink(self.path)
        except OSError as error:
            raise LocalEngineError(f"{self.path} cannot be removed: {error.strerror}") from error
        _systemctl("daemon-reload")
        return True

    def text(self) -> str:
        """Return the unit's content."""
        import sys

        command = [sys.executable, "-m", "dinv", "-s", self._store_path, "engine"]
        # The Python at boot must find dinv as this one does.
        path = os.pathsep.join(
            map(os.path.abspath, filter(None, os.environ.get("PYTHONPATH", "").split(":")))
        )
        setting = _quoted(f"PYTHONPATH={path}").replace("$$", "$")
        return _UNIT.format(
            environment=f"Environment={setting}\n" if path else "",
            store=self._store_path.replace("%", "%%").replace("\n", " "),
            store_quoted=_quoted(self._store_path).replace("$$", "$"),
            start=" ".join(_quoted(word) for word in [*command, "start", "--quiet"]),
            stop=" ".join(_quoted(word) for word in [*command, "stop", "--quiet"]),
        )


def apart(name: str, log: str, environment: Sequence[str]) -> list[str]:
    """Return the words before a command that make systemd run it as the service `name`.

    Its output goes to `log`. It gets the named variables of the caller's environment; their values are not
    on the command line.
    """
    words = ["systemd-run", "--quiet", "--collect", f"--unit={name}-dockerd.service"]
    words += [f"--description=dockerd of dinv's own engine {name}"]
    for setting in (*_PROPERTIES, f"StandardOutput=append:{log}", f"StandardError=append:{log}"):
        words += ["-p", setting]
    return [*words, *(f"--setenv={variable}" for variable in environment), "--"]


def _quoted(word: str) -> str:
    """Quote a word of a command line in a unit."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return '"' + escaped.replace("%", "%%").replace("$", "$$") + '"'


def _systemctl(*words: str) -> None:
    import subprocess

    try:
        done = subprocess.run(
            ["systemctl", "--quiet", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LocalEngineError(f"systemctl {' '.join(words)} cannot be run: {error}") from error
    if done.returncode:
        raise LocalEngineError(f"systemctl {' '.join(words)} failed: {done.stderr.strip()}")

"""`k3s COMMAND`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import NoReturn

from k3s_stand_in.program import agent, answers, flags, kubectl, logs, server

_USAGE = """NAME:
   k3s - Kubernetes, but small and simple (a stand-in for tests)

USAGE:
   k3s [global options] command [command options] [arguments...]

COMMANDS:
   server   Run management server
   agent    Run node agent
   kubectl  Run kubectl
"""


def main() -> int:
    arguments = sys.argv[1:]
    command = arguments[0] if arguments else "--help"
    if command in ("--version", "-v"):
        sys.stdout.write(f"k3s version {answers.VERSION} (148243c4)\ngo version go1.24.6\n")
        return 0
    if command in ("--help", "-h", "help"):
        sys.stdout.write(_USAGE)
        return 0
    try:
        if command == "kubectl":
            return kubectl.run(arguments[1:])
        if command not in ("server", "agent"):
            logs.fatal(f"No help topic for '{command}'")
        _name_process(f"k3s-{command}")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _ended)
        options = flags.read(command, arguments[1:])
        (server if command == "server" else agent).run(options)
    except logs.FatalError as error:
        logs.line("fatal", str(error))
        return 1
    return 0


def _name_process(name: str) -> None:
    with open(f"/proc/{os.getpid()}/task/{threading.get_native_id()}/comm", "w", encoding="ascii") as stream:
        stream.write(name)


def _ended(number: int, _frame: object) -> NoReturn:
    logs.info("Shutdown request received")
    os._exit(0)


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)

"""Log lines as logrus writes them without a terminal, which is what k3s uses."""

from __future__ import annotations

import json
import sys
import time
from typing import NoReturn


def line(level: str, message: str) -> None:
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    sys.stderr.write(f'time="{moment}" level={level} msg={json.dumps(message)}\n')
    sys.stderr.flush()


def info(message: str) -> None:
    line("info", message)


def warning(message: str) -> None:
    line("warning", message)


def error(message: str) -> None:
    line("error", message)


class FatalError(Exception):
    """What k3s ends with: logrus.Fatal, exit status 1."""


def fatal(message: str) -> NoReturn:
    raise FatalError(message)

"""Lines as logrus's TextFormatter prints them to a pipe (sirupsen/logrus: text_formatter.go)."""

from __future__ import annotations

import json
import sys
import time
from typing import NoReturn


def info(text: str) -> None:
    _say("info", text)


def warn(text: str) -> None:
    _say("warning", text)


def error(text: str) -> None:
    _say("error", text)


def fatal(text: str, status: int = 1) -> NoReturn:
    """`status` is the exit status: 0 where a caller is to see that the line counts."""
    _say("fatal", text)
    sys.exit(status)


def _say(level: str, text: str) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    # For what is printed here JSON's quoting is Go's.
    print(f'time="{now}" level={level} msg={json.dumps(text)}', file=sys.stderr, flush=True)  # noqa: T201

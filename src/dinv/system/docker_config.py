"""docker's own config.json, read as leniently as docker's CLI reads it (docker/cli: cli/config).

It is other people's file: editors put a byte order mark before it, tools add what only they know, and a
docker that cannot read it warns and goes on as if there were none. So does dinv.
"""

from __future__ import annotations

import os

from dinv.errors import InputError
from dinv.formats import json_text
from dinv.system import files, home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def directory(config_dir: str | None = None) -> str:
    """Return the docker CLI's directory: `config_dir`, `$DOCKER_CONFIG` or `~/.docker`.

    Raises InputError where there is no home, or no working directory that a relative one could count from.
    """
    named = config_dir or os.environ.get("DOCKER_CONFIG")
    return home.from_here(named or home.within(".docker", instead="DOCKER_CONFIG"))


def config_file(config_dir: str | None = None) -> str:
    """Return where config.json is; "" where there is no home to look in: to whoever reads, there is none."""
    try:
        return os.path.join(directory(config_dir), "config.json")
    except InputError:
        return ""


def load(path: str, warn: Callable[[str], None] = lambda _text: None) -> dict[str, Any]:
    """Return the configuration at `path`; {} where there is none.

    One that cannot be read counts as none; `warn` is told why, and never anything of its content.
    """
    try:
        content = files.read(path)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:  # a path with a null byte is a ValueError
        warn(f"{path} cannot be read ({getattr(error, 'strerror', error)}): going on without it")
        return {}
    try:
        found = parse(content)
    except ValueError as error:
        warn(f"{path} cannot be used ({error}): going on without it")
        return {}
    if isinstance(found, dict):
        return found
    warn(f"{path} cannot be used (it is not a JSON object): going on without it")
    return {}


def parse(content: bytes) -> Any:
    """Return the first JSON value in `content`; {} where there is none at all. Raises ValueError.

    Go's decoder reads one value, ignores what comes after it, and takes bytes that are not UTF-8 for
    U+FFFD (encoding/json). The byte order mark, which it does not take, is taken here.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError("it is UTF-16; save it as UTF-8")
    text = content.decode("utf-8-sig", "replace").lstrip(" \t\r\n")
    if not text:
        return {}
    try:
        return json_text.first(text)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    except ValueError as error:
        # Its message quotes nothing, so no secret either.
        raise ValueError(f"it is not JSON: {error}") from error


def entry(document: dict[str, Any], name: str) -> Any:
    """Return what is under `name`, which Go's decoder finds in upper and lower case alike."""
    if name in document:
        return document[name]
    folded = name.lower()
    return next((value for key, value in document.items() if key.lower() == folded), None)


def table(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the object under `name`; {} where there is none."""
    found = entry(document, name)
    return found if isinstance(found, dict) else {}


def text(document: dict[str, Any], name: str) -> str:
    """Return the string under `name`; "" where there is none."""
    found = entry(document, name)
    return found if isinstance(found, str) else ""

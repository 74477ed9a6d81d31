"""docker's own config.json, read as leniently as docker's CLI reads it (docker/cli: cli/config).

Other programs write this file: editors put a byte order mark at its start, tools add keys of their own. A
docker that cannot read it warns and goes on as if there were none, and so does dinv.
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

    Raises InputError if there is no home, or no working directory to resolve a relative path against.
    """
    named = config_dir or os.environ.get("DOCKER_CONFIG")
    return home.from_here(named or home.within(".docker", instead="DOCKER_CONFIG"))


def config_file(config_dir: str | None = None) -> str:
    """Return the path of config.json; "" if there is no home: for readers that means there is no file."""
    try:
        return os.path.join(directory(config_dir), "config.json")
    except InputError:
        return ""


def load(path: str, warn: Callable[[str], None] = lambda _text: None) -> dict[str, Any]:
    """Return the configuration at `path`; {} if there is none.

    A file that cannot be read counts as none. `warn` is told why, but never anything from the file.
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
    """Return the first JSON value in `content`; {} if it is empty. Raises ValueError.

    Go's decoder reads one value, ignores what follows it, and reads invalid UTF-8 as U+FFFD (encoding/json).
    A byte order mark is accepted here, although Go rejects it.
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
    """Return the value under `name`; like Go's decoder, ignore upper and lower case."""
    if name in document:
        return document[name]
    folded = name.lower()
    return next((value for key, value in document.items() if key.lower() == folded), None)


def table(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the object under `name`; {} if there is none."""
    found = entry(document, name)
    return found if isinstance(found, dict) else {}


def text(document: dict[str, Any], name: str) -> str:
    """Return the string under `name`; "" if there is none."""
    found = entry(document, name)
    return found if isinstance(found, str) else ""

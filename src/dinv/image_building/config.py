"""The configuration of an image from what its Dockerfile says: for images that no engine builds.

Only what describes the image is read: RUN, COPY and the like are for an engine. The keys are those of the
image specification (github.com/opencontainers/image-spec, config.md) and of Docker's for HEALTHCHECK.
"""

from __future__ import annotations

import json
import re
import shlex

from dinv.errors import ImageBuildError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

_SHELL = ["/bin/sh", "-c"]
_UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_HEALTH = {
    "interval": "Interval",
    "timeout": "Timeout",
    "start-period": "StartPeriod",
    "start-interval": "StartInterval",
}


def image_config(dockerfile: str, arguments: Mapping[str, str]) -> dict[str, Any]:
    """Return what `dockerfile` says of its image, after its last FROM: "Env", "Labels", "Entrypoint" ...

    ${NAME} in `arguments` is put in. Raises ImageBuildError for an instruction that cannot be read.
    """
    config: dict[str, Any] = {}
    for instruction, text in _instructions(dockerfile):
        if instruction == "FROM":
            config.clear()
        elif take := _TAKEN.get(instruction):
            filled = re.sub(r"\$\{(\w+)\}", lambda found: arguments.get(found[1], found[0]), text)
            try:
                take(config, filled)
            except ValueError as error:
                raise ImageBuildError(f"The Dockerfile's {instruction} {filled}: {error}") from error
    return config


def _instructions(dockerfile: str) -> Iterator[tuple[str, str]]:
    """Yield the instructions with their text. They may go over several lines, by a backslash at the end."""
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\[ \t]*\n", " ", "\n".join(lines)).splitlines():
        instruction, _, text = line.strip().partition(" ")
        if instruction:
            yield instruction.upper(), text.strip()


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for word in shlex.split(text):
        name, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f'"{word}" is not NAME=VALUE')
        yield name, value


def _command(text: str) -> list[str]:
    """Return a command's arguments; a line that is not a JSON array is for the shell."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if isinstance(found, list) and all(isinstance(word, str) for word in found):
        return found
    return [*_SHELL, text]


def _env(config: dict[str, Any], text: str) -> None:
    known = dict(one.split("=", 1) for one in config.get("Env", ()))
    known.update(_pairs(text))
    config["Env"] = [f"{name}={value}" for name, value in known.items()]


def _label(config: dict[str, Any], text: str) -> None:
    config.setdefault("Labels", {}).update(_pairs(text))


def _expose(config: dict[str, Any], text: str) -> None:
    for port in text.split():
        config.setdefault("ExposedPorts", {})[port if "/" in port else f"{port}/tcp"] = {}


def _volume(config: dict[str, Any], text: str) -> None:
    paths = _command(text) if text.startswith("[") else shlex.split(text)
    config.setdefault("Volumes", {}).update({path: {} for path in paths})


def _healthcheck(config: dict[str, Any], text: str) -> None:
    check: dict[str, Any] = {}
    while flag := re.match(r"--([a-z-]+)=(\S+)\s+", text):
        text = text[flag.end() :]
        if flag[1] == "retries":
            check["Retries"] = int(flag[2])
        elif flag[1] in _HEALTH:
            check[_HEALTH[flag[1]]] = _nanoseconds(flag[2])
        else:
            raise ValueError(f"--{flag[1]} is not known")
    kind, _, command = text.partition(" ")
    if kind.upper() == "NONE":
        check = {"Test": ["NONE"]}
    elif kind.upper() == "CMD":
        arguments = _command(command.strip())
        shell = arguments[:2] == _SHELL
        check["Test"] = ["CMD-SHELL", arguments[2]] if shell else ["CMD", *arguments]
    else:
        raise ValueError("CMD or NONE is missing")
    config["Healthcheck"] = check


def _nanoseconds(text: str) -> int:
    """Return a duration of Go, such as 1m30s, in nanoseconds."""
    if not re.fullmatch(r"(\d+(ns|us|ms|s|m|h))+", text):
        raise ValueError(f'"{text}" is not a duration')
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(ns|us|ms|s|m|h)", text))


def _to(key: str, read: Callable[[str], Any] = str) -> Callable[[dict[str, Any], str], None]:
    return lambda config, text: config.__setitem__(key, read(text))


_TAKEN: dict[str, Callable[[dict[str, Any], str], None]] = {
    "CMD": _to("Cmd", _command),
    "ENTRYPOINT": _to("Entrypoint", _command),
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "STOPSIGNAL": _to("StopSignal"),
    "USER": _to("User"),
    "VOLUME": _volume,
    "WORKDIR": _to("WorkingDir"),
}

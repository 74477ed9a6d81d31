"""Command lines as the real installers take them: Go's flags, and nothing unknown."""

from __future__ import annotations

from typing import NoReturn

from ucp_stand_in import log


class Flags:
    """What was given. `switches` take no value, `valued` take one, `repeated` several, by their names."""

    def __init__(
        self,
        words: list[str],
        *,
        switches: tuple[str, ...] = (),
        valued: tuple[str, ...] = (),
        repeated: tuple[str, ...] = (),
    ) -> None:
        self.switches: set[str] = set()
        self.values: dict[str, str] = {}
        self.lists: dict[str, list[str]] = {}
        words = list(words)
        while words:
            word = words.pop(0)
            if not word.startswith("-"):
                _usage(f"unexpected argument: {word}")
            name, equals, value = word.lstrip("-").partition("=")
            if name in switches:
                if equals and value not in ("true", "false"):
                    _usage(f'invalid boolean value "{value}" for -{name}')
                if value != "false":
                    self.switches.add(name)
                continue
            if name not in (*valued, *repeated):
                _usage(f"flag provided but not defined: -{name}")
            if not equals:
                if not words:
                    _usage(f"flag needs an argument: -{name}")
                value = words.pop(0)
            if name in repeated:
                self.lists.setdefault(name, []).append(value)
            else:
                self.values[name] = value

    def value(self, name: str, default: str = "") -> str:
        return self.values.get(name, default)

    def port(self, name: str, default: int) -> int:
        text = self.values.get(name, str(default))
        if not text.isdigit():
            _usage(
                f'invalid value "{text}" for flag -{name}: strconv.ParseInt: parsing "{text}": invalid syntax'
            )
        return int(text)


def _usage(why: str) -> NoReturn:
    print(f"Incorrect Usage: {why}", flush=True)  # noqa: T201
    log.fatal(why)

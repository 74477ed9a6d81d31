"""What the scripts for bash and zsh have in common: the branches of their case statements."""

from __future__ import annotations

from dinv.cli.completion.commands import GLOBAL_FLAGS, LISTED, VERSION_FLAG, flags_by_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from dinv.cli.completion.commands import Command, Flag


def quoted(text: str) -> str:
    """Quote a word in single quotes."""
    inside = text.replace("'", "'\\''")
    return f"'{inside}'"


class Cases:
    """Writes branches.

    `f` is the script's function, whose name begins the names of its helpers; `kinds` has the shell command
    that completes a word, by its kind. Those that `dinv completion --list` knows are not needed in it.
    """

    def __init__(self, f: str, kinds: Mapping[str, str]) -> None:
        self._f = f
        self._kinds = kinds

    def words(self, words: Iterable[str]) -> str:
        """Return the shell command that offers these words."""
        return " ".join([f"{self._f}_words", *map(quoted, words)])

    def values(self, commands: Sequence[Command]) -> str:
        """Return the branches of "COMMAND FLAG" in which the flag's value is completed."""
        values = (self._value(name, flag) for name, flag in flags_by_command(commands))
        return "\n".join(line for line in values if line)

    def flags(self, commands: Sequence[Command], offer: Callable[[Sequence[Flag]], str]) -> str:
        """Return the branches of COMMAND, "" for none yet, in which its flags are offered."""
        lines = [f'            "") {offer([*GLOBAL_FLAGS, VERSION_FLAG])} ;;']
        lines += [f"            {command.name}) {offer(command.flags)} ;;" for command in commands]
        return "\n".join(lines)

    def arguments(self, commands: Sequence[Command]) -> str:
        """Return the branches of COMMAND in which its arguments are completed."""
        return "\n".join(f"        {command.name}) {self._argument(command)} ;;" for command in commands)

    def _value(self, command: str, flag: Flag) -> str:
        if flag.value is None:
            return ""
        patterns = "|".join(f'*" {name}"' if command == "*" else f'"{command} {name}"' for name in flag.names)
        how = self.words(flag.choices) if flag.choices else self._kind(flag.value)
        return f"        {patterns}) {how}; return ;;" if how else f"        {patterns}) return ;;"

    def _argument(self, command: Command) -> str:
        if command.choices:
            choices = self.words(command.choices)
            second, more = (self._kind(kind) or ":" for kind in (command.second, command.more))
            if second == ":":
                return choices
            chosen = "|".join(command.choices)
            return f"case $flag in {command.name}) {choices} ;; {chosen}) {second} ;; *) {more} ;; esac"
        first, more = (self._kind(kind) or ":" for kind in (command.arguments, command.more))
        return first if first == more else f"if [[ $flag == {command.name} ]]; then {first}; else {more}; fi"

    def _kind(self, kind: str) -> str:
        """Return what completes a word of this kind; "" if nothing does."""
        return f"{self._f}_listed {kind}" if kind in LISTED else self._kinds.get(kind, "")

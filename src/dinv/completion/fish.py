"""The script for fish."""

from __future__ import annotations

from dinv.completion import function_name
from dinv.completion.commands import (
    COMMANDS,
    DIRECTORIES,
    FILES,
    GLOBAL_FLAGS,
    MACHINES,
    PLACES,
    VERSION_FLAG,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dinv.completion.commands import Command, Flag

_SCRIPT = r"""# fish completion for {program}. To use it: {program} completion fish | source
function {f}_store
    set -l words (commandline -opc)
    for i in (seq 2 (count $words))
        switch $words[$i]
            case -s --storage-path
                set -l next (math $i + 1)
                if test $next -le (count $words)
                    printf '%s\n' -s $words[$next]
                end
                return
            case '--storage-path=*'
                printf '%s\n' -s (string replace -r '^[^=]*=' '' -- $words[$i])
                return
        end
    end
end

function {f}_machines
    set -l words (commandline -opc)
    set -l store ({f}_store)
    command $words[1] $store ls -q 2>/dev/null
end

function {f}_places
    for name in ({f}_machines)
        echo $name:
    end
end

# The command on the line so far; with an argument: whether it is this one.
function {f}_is
    set -l words (commandline -opc)
    set -l skip 1
    set -l found ''
    for word in $words
        if test $skip = 1
            set skip 0
            continue
        end
        switch $word
            case -s --storage-path
                set skip 1
            case '-*'
            case '*'
                set found $word
                break
        end
    end
    test "$found" = "$argv[1]"
end

complete -c {program} -e
complete -c {program} -f
{lines}
"""


def script(program: str, commands: Sequence[Command]) -> str:
    """The whole script."""
    f = function_name(program)
    names = [command.name for command in commands]
    lines = [_line(program, f, "", flag) for flag in (*GLOBAL_FLAGS, VERSION_FLAG)]
    for command in commands:
        lines.append(f"complete -c {program} -n '{f}_is \"\"' -a {command.name} -d {_quoted(command.text)}")
        arguments = _argument(f, command, names)
        if arguments:
            lines.append(f"complete -c {program} -n '{f}_is {command.name}' {arguments}")
        lines += [_line(program, f, command.name, flag) for flag in command.flags]
    return _SCRIPT.format(f=f, program=program, lines="\n".join(lines))


def _quoted(text: str) -> str:
    inside = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{inside}'"


def _line(program: str, f: str, command: str, flag: Flag) -> str:
    condition = f"{f}_is {command}" if command else f'{f}_is ""'
    words = ["complete", "-c", program, "-n", _quoted(condition)]
    for name in flag.names:
        words += ["-l", name[2:]] if name.startswith("--") else ["-s", name[1:]]
    if flag.choices:
        words += ["-x", "-a", _quoted(" ".join(flag.choices))]
    elif flag.value is not None:
        words += {FILES: ["-r", "-F"], DIRECTORIES: ["-x", "-a", "'(__fish_complete_directories)'"]}.get(
            flag.value, ["-x"]
        )
    return " ".join([*words, "-d", _quoted(flag.text)])


def _argument(f: str, command: Command, names: Iterable[str]) -> str:
    if command.choices:
        return f"-a {_quoted(' '.join(command.choices))}"
    return {
        MACHINES: f"-a '({f}_machines)'",
        PLACES: f"-F -a '({f}_places)'",
        COMMANDS: f"-a {_quoted(' '.join(names))}",
        FILES: "-F",
        DIRECTORIES: "-a '(__fish_complete_directories)'",
    }.get(command.arguments, "")

"""The script for fish."""

from __future__ import annotations

from dinv.cli.completion import function_name
from dinv.cli.completion.commands import (
    COMMANDS,
    DIRECTORIES,
    FILES,
    GLOBAL_FLAGS,
    LISTED,
    MACHINES,
    PLACES,
    VERSION_FLAG,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dinv.cli.completion.commands import Command, Flag

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

function {f}_endpoint
    set -l words (commandline -opc)
    for i in (seq 2 (count $words))
        switch $words[$i]
            case --endpoint --from
                set -l next (math $i + 1)
                if test $next -le (count $words)
                    printf '%s\n' --endpoint $words[$next]
                end
            case '--endpoint=*' '--from=*'
                printf '%s\n' --endpoint (string replace -r '^[^=]*=' '' -- $words[$i])
        end
    end
end

function {f}_listed
    set -l words (commandline -opc)
    set -l store ({f}_store)
    set -l endpoint ({f}_endpoint)
    command $words[1] $store completion --list $argv[1] --word=(commandline -ct) $endpoint 2>/dev/null
end

function {f}_places
    if string match -q '*:*' -- (commandline -ct)
        {f}_listed paths
        return
    end
    for name in ({f}_machines)
        echo $name:
    end
end

# Whether the word before is this command.
function {f}_follows
    set -l words (commandline -opc)
    test "$words[-1]" = "$argv[1]"
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
    """Return the whole script."""
    f = function_name(program)
    names = [command.name for command in commands]
    lines = [_line(program, f, "", flag) for flag in (*GLOBAL_FLAGS, VERSION_FLAG)]
    for command in commands:
        lines.append(f"complete -c {program} -n '{f}_is \"\"' -a {command.name} -d {_quoted(command.text)}")
        for condition, arguments in _arguments(f, command, names):
            if arguments:
                lines.append(f"complete -c {program} -n '{condition}' {arguments}")
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
        words.append({FILES: "-r -F"}.get(flag.value) or f"-x {_kind(f, flag.value, ())}".rstrip())
    return " ".join([*words, "-d", _quoted(flag.text)])


def _arguments(f: str, command: Command, names: Iterable[str]) -> list[tuple[str, str]]:
    """Yield conditions, and what can stand there: for the first argument, and for others if they differ."""
    here = f"{f}_is {command.name}"
    if command.choices:
        choices = f"-a {_quoted(' '.join(command.choices))}"
        if not command.second:
            return [(here, choices)]
        second, more = (_kind(f, kind, names) for kind in (command.second, command.more))
        before = [command.name, *command.choices]
        later = "".join(f"; and not {f}_follows {word}" for word in before)
        return [
            (f"{here}; and {f}_follows {command.name}", choices),
            *((f"{here}; and {f}_follows {choice}", second) for choice in command.choices),
            (here + later, more),
        ]
    first, more = (_kind(f, kind, names) for kind in (command.arguments, command.more))
    if first == more:
        return [(here, first)]
    follows = f"{f}_follows {command.name}"
    return [(f"{here}; and {follows}", first), (f"{here}; and not {follows}", more)]


def _kind(f: str, kind: str, names: Iterable[str]) -> str:
    """Return the options of `complete` for a word of this kind; "" if nothing completes it."""
    if kind in LISTED:
        return f"-a '({f}_listed {kind})'"
    return {
        MACHINES: f"-a '({f}_machines)'",
        PLACES: f"-F -a '({f}_places)'",
        COMMANDS: f"-a {_quoted(' '.join(names))}",
        FILES: "-F",
        DIRECTORIES: "-a '(__fish_complete_directories)'",
    }.get(kind, "")

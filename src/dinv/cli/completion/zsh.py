"""The script for zsh: to be evaluated after compinit, or put in a directory of $fpath."""

from __future__ import annotations

from dinv.cli.completion import function_name, quoted
from dinv.cli.completion.commands import (
    COMMANDS,
    DIRECTORIES,
    FILES,
    GLOBAL_FLAGS,
    LISTED,
    MACHINES,
    PLACES,
    VERSION_FLAG,
    flags_by_command,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dinv.cli.completion.commands import Command, Flag

_SCRIPT = r"""#compdef {program}
# zsh completion for {program}. To use it: eval "$({program} completion zsh)"
{f}_machines() {{
    local -a names
    names=("${{(@f)$("${{(Q)words[1]/#\~/$HOME}}" "${{store[@]}}" ls -q 2>/dev/null)}}")
    names=(${{names:#}})
    (( $#names )) && compadd "$@" -- "${{names[@]}}"
}}

# Words; what ends in = or / is not the end.
{f}_words() {{
    local -a whole open
    open=("${{(@M)@:#*[=/]}}")
    whole=("${{(@)@:#*[=/]}}")
    (( $#whole )) && compadd -- "${{whole[@]}}"
    (( $#open )) && compadd -S "" -- "${{open[@]}}"
}}

{f}_listed() {{
    local -a names
    local program=${{(Q)words[1]/#\~/$HOME}} word=--word=${{(Q)PREFIX}}
    local asked=(completion --list $1 "$word" "${{endpoint[@]}}")
    names=("${{(@f)$("$program" "${{store[@]}}" "${{asked[@]}}" 2>/dev/null)}}")
    names=(${{names:#}})
    {f}_words "${{names[@]}}"
}}

{f}_places() {{
    if [[ $PREFIX == *:* ]]; then
        {f}_listed paths
    else
        {f}_machines -S : -q
        _files
    fi
}}

{f}() {{
    local command="" flag i
    local -a store endpoint commands flags
    commands=(
{commands}
    )
    for (( i = 2; i < CURRENT; i++ )); do
        case ${{words[i]}} in
            -s|--storage-path) (( i++ )); store=(-s "${{(Q)words[i]/#\~/$HOME}}") ;;
            --storage-path=*) store=(-s "${{(Q)${{words[i]#*=}}/#\~/$HOME}}") ;;
            --endpoint|--from) (( ++i < CURRENT )) && endpoint=(--endpoint "${{(Q)words[i]}}") ;;
            --endpoint=*|--from=*) endpoint=(--endpoint "${{(Q)${{words[i]#*=}}}}") ;;
            -*) ;;
            *) [[ -n $command ]] || command=${{words[i]}} ;;
        esac
    done
    flag=${{words[CURRENT-1]}}
    if compset -P '--[a-z-]#='; then
        flag=${{IPREFIX%=}}
    fi
    case "$command $flag" in
{values}
    esac
    if [[ $PREFIX == -* ]]; then
        case $command in
{flags}
        esac
        _describe -o option flags
        return
    fi
    case $command in
        "") _describe command commands ;;
{arguments}
    esac
}}
if [[ $funcstack[1] == {f} ]]; then
    {f} "$@"
else
    compdef {f} {program}
fi
"""


def script(program: str, commands: Sequence[Command]) -> str:
    """Return the whole script."""
    f = function_name(program)
    values = [_value(f, name, flag) for name, flag in flags_by_command(commands)]
    flags = [f'            "") flags=({_flags([*GLOBAL_FLAGS, VERSION_FLAG])}) ;;']
    flags += [f"            {command.name}) flags=({_flags(command.flags)}) ;;" for command in commands]
    arguments = [f"        {command.name}) {_argument(f, command)} ;;" for command in commands]
    return _SCRIPT.format(
        f=f,
        program=program,
        commands="\n".join(f"        {_described(command.name, command.text)}" for command in commands),
        values="\n".join(line for line in values if line),
        flags="\n".join(flags),
        arguments="\n".join(arguments),
    )


def _described(name: str, text: str) -> str:
    return quoted(f"{name.replace(':', chr(92) + ':')}:{text}")


def _flags(flags: Iterable[Flag]) -> str:
    return " ".join(_described(name, flag.text) for flag in flags for name in flag.names)


def _value(f: str, command: str, flag: Flag) -> str:
    """Return the case in which a flag's value is completed; "" for a flag without one."""
    if flag.value is None:
        return ""
    patterns = "|".join(f'*" {name}"' if command == "*" else f'"{command} {name}"' for name in flag.names)
    how = _words(f, flag.choices) if flag.choices else _kind(f, flag.value)
    return f"        {patterns}) {how}; return ;;" if how else f"        {patterns}) return ;;"


def _words(f: str, words: Iterable[str]) -> str:
    return " ".join([f"{f}_words", *map(quoted, words)])


def _argument(f: str, command: Command) -> str:
    if command.choices:
        return _words(f, command.choices)
    first, more = (_kind(f, kind) or ":" for kind in (command.arguments, command.more))
    return first if first == more else f"if [[ $flag == {command.name} ]]; then {first}; else {more}; fi"


def _kind(f: str, kind: str) -> str:
    """Return what completes a word of this kind; "" if nothing does."""
    if kind in LISTED:
        return f"{f}_listed {kind}"
    return {
        MACHINES: f"{f}_machines",
        PLACES: f"{f}_places",
        COMMANDS: "_describe command commands",
        FILES: "_files",
        DIRECTORIES: "_files -/",
    }.get(kind, "")

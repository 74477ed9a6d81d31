"""The script for bash, of any version that is still about (3.2), without the package bash-completion."""

from __future__ import annotations

from dinv.completion import function_name, quoted
from dinv.completion.commands import (
    COMMANDS,
    DIRECTORIES,
    FILES,
    GLOBAL_FLAGS,
    MACHINES,
    PLACES,
    VERSION_FLAG,
    flags_by_command,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dinv.completion.commands import Command, Flag

# {f}: the function; {program}: what it completes.
_SCRIPT = r"""# bash completion for {program}. To use it: eval "$({program} completion bash)"
{f}_words() {{
    local word
    for word in "$@"; do
        [[ $word == "$cur"* ]] && COMPREPLY+=("$word")
    done
}}

# The names of machines, and what is to stand behind them.
{f}_machines() {{
    local name
    while IFS= read -r name; do
        [[ $name == "$cur"* ]] || continue
        printf -v name %q "$name"
        COMPREPLY+=("$name$1")
    done < <("${{COMP_WORDS[0]/#\~/$HOME}}" ${{store[@]+"${{store[@]}}"}} ls -q 2>/dev/null)
}}

{f}_paths() {{
    local path
    compopt -o filenames 2>/dev/null
    while IFS= read -r path; do
        COMPREPLY+=("$path")
    done < <(compgen "$1" -- "$cur")
}}

{f}() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} flag=${{COMP_WORDS[COMP_CWORD-1]}} command="" i
    local -a store
    store=()
    COMPREPLY=()
    # bash takes --flag=value for three words.
    if [[ $cur == "=" ]]; then
        cur=""
    elif [[ $flag == "=" ]]; then
        flag=${{COMP_WORDS[COMP_CWORD-2]}}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${{COMP_WORDS[i]}} in
            -s|--storage-path)
                i=$((i + 1))
                [[ ${{COMP_WORDS[i]}} == "=" ]] && i=$((i + 1))
                store=(-s "${{COMP_WORDS[i]/#\~/$HOME}}") ;;
            -*) ;;
            *) [[ -n $command ]] || command=${{COMP_WORDS[i]}} ;;
        esac
    done
    case "$command $flag" in
{values}
    esac
    if [[ $cur == -* ]]; then
        case $command in
{flags}
        esac
        return
    fi
    case $command in
{arguments}
    esac
}}
complete -F {f} {program}
"""


def script(program: str, commands: Sequence[Command]) -> str:
    """The whole script."""
    f = function_name(program)
    names = [command.name for command in commands]
    everywhere = [*GLOBAL_FLAGS, VERSION_FLAG]
    values = [_value(f, name, flag) for name, flag in flags_by_command(commands)]
    flags = [f'            "") {_words(f, _names(everywhere))} ;;']
    flags += [f"            {command.name}) {_words(f, _names(command.flags))} ;;" for command in commands]
    arguments = [f'        "") {_words(f, names)} ;;']
    arguments += [f"        {command.name}) {_argument(f, command, names)} ;;" for command in commands]
    return _SCRIPT.format(
        f=f,
        program=program,
        values="\n".join(line for line in values if line),
        flags="\n".join(flags),
        arguments="\n".join(arguments),
    )


def _names(flags: Iterable[Flag]) -> list[str]:
    return [name for flag in flags for name in flag.names]


def _words(f: str, words: Iterable[str]) -> str:
    return " ".join([f"{f}_words", *map(quoted, words)])


def _value(f: str, command: str, flag: Flag) -> str:
    """The case in which a flag's value is completed; "" for a flag without one."""
    if flag.value is None:
        return ""
    patterns = "|".join(f'*" {name}"' if command == "*" else f'"{command} {name}"' for name in flag.names)
    how = _words(f, flag.choices) if flag.choices else _paths(f, flag.value)
    return f"        {patterns}) {how}; return ;;" if how else f"        {patterns}) return ;;"


def _paths(f: str, kind: str) -> str:
    return {FILES: f"{f}_paths -f", DIRECTORIES: f"{f}_paths -d"}.get(kind, "")


def _argument(f: str, command: Command, names: Sequence[str]) -> str:
    if command.choices:
        return _words(f, command.choices)
    if command.arguments == MACHINES:
        return f"{f}_machines"
    if command.arguments == PLACES:
        return f"compopt -o nospace 2>/dev/null; {f}_machines :; {f}_paths -f"
    if command.arguments == COMMANDS:
        return _words(f, names)
    return _paths(f, command.arguments) or ":"

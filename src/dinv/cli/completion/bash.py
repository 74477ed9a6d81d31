"""The script for bash, of any version still in use (3.2), without the package bash-completion."""

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

# {f}: the function; {program}: what it completes.
_SCRIPT = r"""# bash completion for {program}. To use it: eval "$({program} completion bash)"
# bash takes words apart at = and :; what has been typed is $before$cur, and $before stays as it is.
{f}_words() {{
    local word
    for word in "$@"; do
        [[ $word == "$before$cur"* ]] || continue
        [[ $word == *= ]] && compopt -o nospace 2>/dev/null
        COMPREPLY+=("${{word#"$before"}}")
    done
}}

# The names that the program prints, and what is to stand behind them; none of it is evaluated.
{f}_names() {{
    local end=$1 name
    shift
    while IFS= read -r name; do
        [[ $name == "$before$cur"* ]] || continue
        [[ $name == */ ]] && compopt -o nospace 2>/dev/null
        printf -v name %q "${{name#"$before"}}"
        COMPREPLY+=("$name$end")
    done < <("${{COMP_WORDS[0]/#\~/$HOME}}" ${{store[@]+"${{store[@]}}"}} "$@" 2>/dev/null)
}}

{f}_machines() {{
    {f}_names "$1" ls -q
}}

{f}_listed() {{
    {f}_names "" completion --list "$1" "--word=$before$cur" ${{endpoint[@]+"${{endpoint[@]}}"}}
}}

{f}_places() {{
    if [[ $before$cur == *:* ]]; then
        {f}_listed paths
        return
    fi
    {f}_machines :
    if ((${{#COMPREPLY[@]}} == 0)); then
        {f}_paths -f
        return
    fi
    # With -o filenames bash would put a backslash before the colon.
    compopt -o nospace 2>/dev/null
    local path
    while IFS= read -r path; do
        [[ -d $path ]] && path=$path/
        printf -v path %q "$path"
        COMPREPLY+=("$path")
    done < <(compgen -f -- "$cur")
}}

{f}_paths() {{
    local path
    compopt -o filenames 2>/dev/null
    while IFS= read -r path; do
        COMPREPLY+=("$path")
    done < <(compgen "$1" -- "$cur")
}}

{f}() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} before="" flag command="" i at=$COMP_CWORD
    local -a store endpoint
    store=()
    endpoint=()
    COMPREPLY=()
    if [[ $cur == [:=]* ]]; then
        at=$((at - 1))
        before=${{COMP_WORDS[at]}}$cur
        cur=""
    fi
    while ((at > 1)) && [[ ${{COMP_WORDS[at-1]}} == [:=]* ]]; do
        at=$((at - 2))
        before=${{COMP_WORDS[at]}}${{COMP_WORDS[at+1]}}$before
    done
    flag=${{COMP_WORDS[at-1]}}
    if [[ $before == -*=* ]]; then
        flag=${{before%%=*}}
        before=${{before#*=}}
    fi
    for ((i = 1; i < at; i++)); do
        case ${{COMP_WORDS[i]}} in
            -s|--storage-path|--endpoint|--from)
                [[ ${{COMP_WORDS[i]}} == -s || ${{COMP_WORDS[i]}} == --storage-path ]]
                local is_store=$?
                i=$((i + 1))
                [[ ${{COMP_WORDS[i]}} == "=" ]] && i=$((i + 1))
                ((i < at)) || break
                local value=${{COMP_WORDS[i]/#\~/$HOME}}
                while [[ ${{COMP_WORDS[i+1]}} == [:=]* ]] && ((i + 2 < at)); do
                    value=$value${{COMP_WORDS[i+1]}}${{COMP_WORDS[i+2]}}
                    i=$((i + 2))
                done
                if ((is_store == 0)); then store=(-s "$value"); else endpoint=(--endpoint "$value"); fi ;;
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
    """Return the whole script."""
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
    """Return the case in which a flag's value is completed; "" for a flag without one."""
    if flag.value is None:
        return ""
    patterns = "|".join(f'*" {name}"' if command == "*" else f'"{command} {name}"' for name in flag.names)
    how = _words(f, flag.choices) if flag.choices else _kind(f, flag.value, names="")
    return f"        {patterns}) {how}; return ;;" if how else f"        {patterns}) return ;;"


def _argument(f: str, command: Command, names: Sequence[str]) -> str:
    if command.choices:
        return _words(f, command.choices)
    verbs = _words(f, names)
    first, more = (_kind(f, kind, names=verbs) or ":" for kind in (command.arguments, command.more))
    return first if first == more else f"if [[ $flag == {command.name} ]]; then {first}; else {more}; fi"


def _kind(f: str, kind: str, *, names: str) -> str:
    """Return what completes a word of this kind; "" if nothing does."""
    if kind in LISTED:
        return f"{f}_listed {kind}"
    return {
        MACHINES: f"{f}_machines",
        PLACES: f"{f}_places",
        COMMANDS: names,
        FILES: f"{f}_paths -f",
        DIRECTORIES: f"{f}_paths -d",
    }.get(kind, "")

"""The script for bash, of any version still in use (3.2), without the package bash-completion."""

from __future__ import annotations

from dinv.cli.completion import function_name
from dinv.cli.completion.cases import Cases
from dinv.cli.completion.commands import COMMANDS, DIRECTORIES, FILES, MACHINES, PLACES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from dinv.cli.completion.commands import Command

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
    kinds = {
        MACHINES: f"{f}_machines",
        PLACES: f"{f}_places",
        FILES: f"{f}_paths -f",
        DIRECTORIES: f"{f}_paths -d",
    }
    cases = Cases(f, kinds)
    verbs = kinds[COMMANDS] = cases.words(command.name for command in commands)
    return _SCRIPT.format(
        f=f,
        program=program,
        values=cases.values(commands),
        flags=cases.flags(
            commands,
            lambda flags: cases.words(name for flag in flags for name in flag.names),
        ),
        arguments=f'        "") {verbs} ;;\n{cases.arguments(commands)}',
    )

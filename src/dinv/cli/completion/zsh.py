"""The script for zsh: to be evaluated after compinit, or put in a directory of $fpath."""

from __future__ import annotations

from dinv.cli.completion import function_name
from dinv.cli.completion.cases import Cases, quoted
from dinv.cli.completion.commands import COMMANDS, DIRECTORIES, FILES, MACHINES, PLACES

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
    kinds = {
        MACHINES: f"{f}_machines",
        PLACES: f"{f}_places",
        COMMANDS: "_describe command commands",
        FILES: "_files",
        DIRECTORIES: "_files -/",
    }
    cases = Cases(f, kinds)
    return _SCRIPT.format(
        f=f,
        program=program,
        commands="\n".join(f"        {_described(command.name, command.text)}" for command in commands),
        values=cases.values(commands),
        flags=cases.flags(commands, _flags),
        arguments=cases.arguments(commands),
    )


def _described(name: str, text: str) -> str:
    return quoted(f"{name.replace(':', chr(92) + ':')}:{text}")


def _flags(flags: Iterable[Flag]) -> str:
    described = " ".join(_described(name, flag.text) for flag in flags for name in flag.names)
    return f"flags=({described})"

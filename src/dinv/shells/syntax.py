"""Environment variables in the syntax of each shell, as docker-machine's `env` writes them.

(docker/machine: commands/env.go.) The output is evaluated, so each value is quoted by the rules of its shell.
If docker-machine's own form preserves the value, that form is written; else another form of the shell's. A
value that a shell cannot take in any form is refused: a line break in csh, PowerShell and cmd, and what csh
and cmd expand in any quotes.
"""

from __future__ import annotations

import os

from dinv.errors import InputError
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAMES = ("bash", "cmd", "emacs", "fish", "powershell", "tcsh", "zsh")
"""The shells that --shell names; any other name means one that reads sh."""

# set, unset, comment, how the command is evaluated
_SHELLS = {
    "sh": ('export {key}="{value}"', "unset {key}", "# ", "eval $({command})"),
    "fish": ('set -gx {key} "{value}";', "set -e {key};", "# ", "eval ({command})"),
    "powershell": (
        '$Env:{key} = "{value}"',
        "Remove-Item Env:\\\\{key}",
        "# ",
        "& {command} | Invoke-Expression",
    ),
    "cmd": ("SET {key}={value}", "SET {key}=", "REM ", "\t@FOR /f \"tokens=*\" %i IN ('{command}') DO @%i"),
    "tcsh": ('setenv {key} "{value}";', "unsetenv {key};", ": ", "eval `{command}`"),
    "emacs": (
        '(setenv "{key}" "{value}")',
        '(setenv "{key}" nil)',
        ";; ",
        '(with-temp-buffer (shell-command "{command}" (current-buffer)) (eval-buffer))',
    ),
}

_ALIASES = {"csh": "tcsh", "pwsh": "powershell"}


def of_user(environ: Mapping[str, str] = os.environ) -> str:
    """Return the user's shell, from `$SHELL`; sh if that is not set, as in cron, containers and CI jobs."""
    return os.path.basename(environ.get("SHELL") or "sh")


def script(
    shell: str,
    variables: Mapping[str, str | None],
    command: Sequence[str],
) -> str:
    """Return lines that set the variables, or unset those that are None; `command` prints them again.

    Raises InputError for a value that the shell cannot take.
    """
    shell = _ALIASES.get(shell, shell)
    setting, unsetting, comment, evaluate = _SHELLS.get(shell, _SHELLS["sh"])
    separator = ";" if setting.startswith("export") else ""
    lines: list[str] = []
    unset_before = None
    for key, value in variables.items():
        if unset_before not in (None, value is None):
            # `eval $(dinv env ...)` joins all lines into one: an `export` or `unset` can go on over several
            # of ours, as it does in docker-machine's, but not from one kind to the other.
            lines[-1] += separator
        unset_before = value is None
        lines.append(unsetting.format(key=key) if value is None else _assigned(shell, key, value))
    how = evaluate.format(command=" ".join(_argument(shell, word) for word in command))
    return "\n".join([*lines, f"{comment}Run this command to configure your shell: ", f"{comment}{how}", ""])


def no_proxy(environ: Mapping[str, str] = os.environ) -> dict[str, list[str]]:
    """Return the proxy exception variables in use, with their entries; NO_PROXY if there are none.

    If both spellings are set, both count: Go reads NO_PROXY first, others no_proxy
    (golang.org/x/net/http/httpproxy: FromEnvironment; curl reads only the latter).
    """
    used = [key for key in ("NO_PROXY", "no_proxy") if environ.get(key)] or ["NO_PROXY"]
    lists = {key: environ.get(key, "").split(",") for key in used}
    return {key: [entry.strip() for entry in entries if entry.strip()] for key, entries in lists.items()}


# How values are quoted


def _assigned(shell: str, key: str, value: str) -> str:
    """Return the line that sets a variable. Raises InputError for a value that the shell cannot take."""
    setting = _SHELLS.get(shell, _SHELLS["sh"])[0]
    if shell == "fish":
        # There a backquote is an ordinary character, and a backslash before it stays (fish-doc: Quotes).
        value = _escaped(value, '\\"$')
    elif shell == "emacs":
        value = _escaped(value, '\\"')
    elif shell == "tcsh":
        # It expands braces in what a command printed, quoted or not.
        _refuse(shell, key, value, "{}\t")
        # Within its double quotes nothing can be escaped; eval of a backquote makes one blank of several, and
        # looks for ~USER and =NUMBER behind each.
        after_blank = any(f" {letter}" in value for letter in " ~=")
        if after_blank or any(letter in _CSH_SPECIAL for letter in value) or value != value.strip(" "):
            return f"setenv {key} {_backslashed(value)};"
    elif shell == "powershell":
        _refuse(shell, key, value)
        if any(letter in _POWERSHELL_SPECIAL for letter in value):
            quoted = "".join(letter * 2 if letter in _POWERSHELL_QUOTES else letter for letter in value)
            return f"$Env:{key} = '{quoted}'"
    elif shell == "cmd":
        _refuse(shell, key, value, '"%!')
        if any(letter in "&|<>^()" for letter in value):
            return f'SET "{key}={value}"'
    else:
        value = _escaped(value, '\\"$`')
    return setting.format(key=key, value=value)


_CSH_SPECIAL = frozenset("\\\"'$`!")
"""What csh expands in double quotes, or cannot take there (tcsh(1): Quoting, History substitution)."""
_CSH_PLAIN = frozenset("/.-_:,=@%+")
_POWERSHELL_QUOTES = "'\u2018\u2019\u201a\u201b"
"""All of these end a string in single quotes, and each is written twice for itself (about_Quoting_Rules)."""
_POWERSHELL_SPECIAL = frozenset('"$`\u201c\u201d\u201e')


def _escaped(value: str, special: str) -> str:
    return "".join(f"\\{letter}" if letter in special else letter for letter in value)


def _backslashed(value: str) -> str:
    """Quote without quotation marks, by backslashes: the most reliable way in csh."""
    return "".join(
        letter if letter.isalnum() or not letter.isascii() or letter in _CSH_PLAIN else f"\\{letter}"
        for letter in value
    )


def _refuse(shell: str, key: str, value: str, letters: str = "") -> None:
    """Raise InputError if one of `letters` is in the value, or a control character: they read by lines."""
    found = next((each for each in value if each in letters or (each < " " and each != "\t")), "")
    if found:
        raise InputError(
            f"{key} cannot be set in {shell}: there is {found!r} in {value!r}, which {shell} cannot be "
            "given. Use another shell ("
            + option("shell")
            + "), or a store without it in its path ("
            + option("storage-path")
            + ")."
        )


def _argument(shell: str, word: str) -> str:
    """Return a word of the command in the comment, escaped if it would lead out of the comment's line."""
    from dinv.formats.visible import one_line

    word = one_line(word)
    # In these two shells comments are commands that do nothing, but their words are expanded.
    if (shell == "cmd" and any(letter in word for letter in '&|<>^"%!')) or (
        shell == "tcsh" and word != _backslashed(word)
    ):
        return "..."
    if shell != "powershell":
        word = _escaped(word, '"$`')
    return f'"{word}"' if any(letter in word for letter in " \\\"'$`;&|<>()*?") else word

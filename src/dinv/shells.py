"""Environment variables in the words of each shell, as docker-machine's `env` writes them.

(docker/machine: commands/env.go.)
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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


def of_user(environ: Mapping[str, str] = os.environ) -> str:
    """The user's shell, from `$SHELL`; sh where that is not set, as in cron, containers and CI jobs."""
    return os.path.basename(environ.get("SHELL") or "sh")


def script(
    shell: str,
    variables: Mapping[str, str | None],
    command: Sequence[str],
) -> str:
    """Lines that set the variables, or unset those that are None; `command` is how to get them again."""
    setting, unsetting, comment, evaluate = _SHELLS.get(shell, _SHELLS["sh"])
    separator = ";" if setting.startswith("export") else ""
    lines: list[str] = []
    unset_before = None
    for key, value in variables.items():
        if unset_before not in (None, value is None):
            # `eval $(dinv env ...)` makes one line of all: one `export` or `unset` can go on over several
            # of ours, as it does in docker-machine's, but not from one kind to the other.
            lines[-1] += separator
        unset_before = value is None
        lines.append(
            unsetting.format(key=key)
            if value is None
            else setting.format(key=key, value=_quoted(value, setting))
        )
    how = evaluate.format(command=" ".join(_argument(word) for word in command))
    return "\n".join([*lines, f"{comment}Run this command to configure your shell: ", f"{comment}{how}", ""])


def no_proxy(environ: Mapping[str, str] = os.environ) -> dict[str, list[str]]:
    """The proxy exception variables in use, with their entries; NO_PROXY where there is none.

    Where both spellings are set, both count: Go reads NO_PROXY first, others no_proxy
    (golang.org/x/net/http/httpproxy: FromEnvironment; curl reads the other only).
    """
    used = [key for key in ("NO_PROXY", "no_proxy") if environ.get(key)] or ["NO_PROXY"]
    return {key: [entry for entry in environ.get(key, "").split(",") if entry] for key in used}


def _quoted(value: str, setting: str) -> str:
    """Escape what a Unix shell would read within double quotes: the output is evaluated."""
    if not setting.startswith(("export", "set ")):
        return value
    # In fish a backquote is a letter like others, and a backslash before it stays (fish-doc: Quotes).
    special = '\\"$`' if setting.startswith("export") else '\\"$'
    return "".join(f"\\{letter}" if letter in special else letter for letter in value)


def _argument(word: str) -> str:
    return f'"{word}"' if " " in word or "\\" in word else word

"""The words of `dinv ssh` before the machine's name: which are dinv's, and which are ssh's."""

from __future__ import annotations

from dinv.access.ssh_options import SUBSYSTEM, value_follows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_OURS = ("D", "debug", "h", "help", "s", "storage-path", "t", "tty")
"""dinv's options, without dashes; others before the name are ssh's."""


def split(words: list[str]) -> tuple[list[str], list[str]]:
    """Split the words into dinv's options, and the rest: ssh's options, the name, the command.

    `-s` is both dinv's `-s DIR` and ssh's, for which the command is a subsystem. It is ssh's if the words
    look like sftp's calls: followed by an option or `--` (sshfs, scp), or as `-s NAME sftp`.
    """
    ours: list[str] = []
    place = 0
    theirs: list[str] = []
    while place < len(words):
        word = words[place]
        if not word.startswith("-") or word in ("-", "--"):
            break
        name, equals, _ = word.removeprefix("-").removeprefix("-").partition("=")
        long = word.startswith("--") or name in _OURS
        taken = 1
        if not long or (name == "s" and not equals and _is_subsystem(words[place + 1 :])):
            taken += value_follows(word)
            theirs += words[place : place + taken]
        else:
            taken += name in ("s", "storage-path") and not equals
            ours += words[place : place + taken]
        place += taken
    return ours, theirs + words[place:]


def _is_subsystem(behind: Sequence[str]) -> bool:
    if not behind:
        return False
    return behind[0].startswith("-") or (list(behind[1:]) == [SUBSYSTEM] and "/" not in behind[0])

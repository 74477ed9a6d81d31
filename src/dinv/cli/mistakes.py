"""Messages of the command line about mistakes: an unknown verb, a bug.

In a module of its own because every prompt loads the rest.
"""

from __future__ import annotations

from dinv.cli.verbs import VERBS
from dinv.errors import DinvError, Interrupted, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.voice import Voice

ELSEWHERE = {
    "attach": "ssh",
    "connect": "ssh",
    "cp": "scp",
    "destroy": "rm",
    "down": "stop",
    "du": "df",
    "exec": "ssh",
    "halt": "stop",
    "info": "inspect",
    "list": "ls",
    "log": "logs",
    "new": "create",
    "ps": "ls",
    "remove": "rm",
    "shell": "ssh",
    "show": "inspect",
    "up": "start",
    "update": "upgrade",
}
"""What similar programs call their commands, and the verb that does it here."""


def unknown_verb(voice: Voice, verb: str) -> UsageError:
    """Return the error for an unknown verb, in docker-machine's words, and what may have been meant."""
    from dinv.suggestions import did_you_mean

    reason = f"'{verb}' is not a {voice.program} command"
    meant = f'Did you mean "{ELSEWHERE[verb]}"?' if verb in ELSEWHERE else did_you_mean(verb, VERBS)
    if voice.docker_machine:
        return UsageError(f"{voice.program}: {reason}. See '{voice.program} --help'.", meant=meant)
    return UsageError(reason, see=f"{voice.program} --help", meant=meant)


def unexpected(error: Exception) -> DinvError:
    """Return the error for an exception that no code here expects."""
    import errno

    # Up to Python 3.11 a class that is interrupted while it is made fails with a RuntimeError.
    if isinstance(error.__cause__, Interrupted):
        return error.__cause__
    if isinstance(error.__cause__, KeyboardInterrupt):
        return Interrupted(2)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        # Every file but standard output has a name.
        what = f"{error.filename}:" if error.filename else "The output cannot be written:"
        return DinvError(f"{what} {error.strerror}. Free some space there, and try again.")
    say = f"{type(error).__name__}: {error}"
    return DinvError(f"A bug in dinv: {say}. Please report it, with what --debug prints.")

"""The options of OpenSSH's ssh, as passed by programs that use ssh as their transport.

rsync, sshfs, scp, sftp and git call `ssh [OPTION...] [USER@]HOST [OPTION...] [COMMAND...]`. Machines have no
SSH; commands run by exec. So options about the connection (keys, ciphers, the host key, time limits) are
accepted and ignored, options that change what a command sees (a terminal, its input, its environment) are
followed, and options for what only SSH can do are errors.
"""

from __future__ import annotations

import os

from dinv.errors import InputError
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Option = tuple[str, str]
    """A letter and its value, "" if it takes none."""

USER = "root"
PORT = 22
SUBSYSTEM = "sftp"
"""The only subsystem supported."""

# openssh-portable: ssh.c, main(), the string for getopt.
_SWITCHES = "1246AaCfGgKkMNnqsTtVvXxYy"
_VALUED = "BbcDEeFIiJLlmOoPpQRSWw"

_FOLLOWED = {
    "G": ("only_configuration", True),
    "n": ("without_input", True),
    "s": ("subsystem", True),
    "T": ("terminal", False),
    "t": ("terminal", True),
}
"""Options that are followed: the attribute of Session and the value they set."""
_NEEDLESS = "246aCckbimqvxy"
_ONLY = {
    "e": ("~",),
    "F": ("none", os.devnull),
    "l": (USER,),
    "p": (str(PORT),),
    "S": ("none",),
}
"""Options accepted only with the values that describe how machines work anyway."""

# ssh_config(5). In lower case, since keywords are case-insensitive.
_NEEDLESS_KEYWORDS = (
    *("addkeystoagent", "addressfamily", "batchmode", "bindaddress", "bindinterface"),
    *("casignaturealgorithms", "certificatefile", "challengeresponseauthentication", "checkhostip"),
    *("ciphers", "clearallforwardings", "compression", "connectionattempts", "connecttimeout"),
    *("controlmaster", "controlpath", "controlpersist", "enablesshkeysign", "exitonforwardfailure"),
    *("fingerprinthash", "forwardx11timeout", "forwardx11trusted", "globalknownhostsfile"),
    *("gssapiauthentication", "gssapidelegatecredentials", "hashknownhosts", "hostbasedauthentication"),
    *("hostkeyalgorithms", "hostkeyalias", "identitiesonly", "identityagent", "identityfile", "ipqos"),
    *("kbdinteractiveauthentication", "kexalgorithms", "loglevel", "logverbose", "macs"),
    *("nohostauthenticationforlocalhost", "numberofpasswordprompts", "passwordauthentication"),
    *("preferredauthentications", "pubkeyacceptedalgorithms", "pubkeyacceptedkeytypes"),
    *("pubkeyauthentication", "rekeylimit", "serveralivecountmax", "serveraliveinterval"),
    *("stricthostkeychecking", "syslogfacility", "tcpkeepalive", "updatehostkeys"),
    *("userknownhostsfile", "verifyhostkeydns", "visualhostkey", "warnweakcrypto"),
)
_ONLY_KEYWORDS = {
    "escapechar": ("~",),
    "forkafterauthentication": ("no",),
    "forwardagent": ("no",),
    "forwardx11": ("no",),
    "gatewayports": ("no",),
    "permitlocalcommand": ("no",),
    "port": (str(PORT),),
    "proxycommand": ("none",),
    "proxyjump": ("none",),
    "remotecommand": ("none",),
    "tunnel": ("no",),
    "user": (USER,),
}


class CommandLine:
    """A parsed command line of ssh; `destination` is `[USER@]HOST`, or None if missing."""

    def __init__(self, options: list[Option], destination: str | None, command: list[str]) -> None:
        self.options = options
        self.destination = destination
        self.command = command

    def words(self) -> list[str]:
        """Return options and command for `take`, without the destination; its user becomes an option."""
        user = self.destination.rpartition("@")[0] if self.destination else ""
        options = [("l", user), *self.options] if user else self.options
        return [*(f"-{letter}{value}" for letter, value in options), "--", *self.command]

    @property
    def host(self) -> str | None:
        """The destination without the user; None if missing."""
        return self.destination and self.destination.rpartition("@")[2]


def split(words: Sequence[str]) -> CommandLine:
    """Parse the words after `ssh` as its main() does: options may come before and after the destination.

    `--` before the destination ends the options in both places. Raises InputError.
    """
    options, rest, ended = _getopt(words)
    destination = rest.pop(0) if rest else None
    if not ended:
        more, rest, _ = _getopt(rest)
        options += more
    return CommandLine(options, destination, rest)


def take(words: Sequence[str]) -> tuple[list[Option], list[str]]:
    """Split words into the options before a command, and the command. Raises InputError."""
    options, rest, _ = _getopt(words)
    return options, rest


def value_follows(word: str) -> bool:
    """Whether the value of an option word, such as -l or -xl, is the next word."""
    for place, letter in enumerate(word[1:], 2):
        if letter in _VALUED:
            return place == len(word)
    return False


def _getopt(words: Sequence[str]) -> tuple[list[Option], list[str], bool]:
    """Parse options as getopt(3) does; return them, the remaining words, and whether `--` ended them."""
    options: list[Option] = []
    left = list(words)
    while left and left[0].startswith("-") and left[0] != "-":
        word = left.pop(0)
        if word == "--":
            return options, left, True
        for place, letter in enumerate(word[1:], 2):
            if letter in _SWITCHES:
                options.append((letter, ""))
                continue
            if letter not in _VALUED:
                raise InputError(
                    f"{word} is not an option of ssh. For a command of this name: ssh NAME -- {word}"
                )
            value = word[place:]
            if not value:
                if not left:
                    raise InputError(f"ssh's option -{letter} needs an argument")
                value = left.pop(0)
            options.append((letter, value))
            break
    return options, left, False


class Session:
    """What options of ssh mean for a session in a machine without SSH. Raises InputError."""

    def __init__(self, options: Sequence[Option]) -> None:
        self.terminal: bool | None = None
        """Whether to allocate a terminal; None if no option says."""
        self.subsystem = False
        """Whether the command is the name of a subsystem."""
        self.without_input = False
        self.only_configuration = False
        """Whether to only print how ssh would connect (-G)."""
        self.environment: dict[str, str] = {}
        for letter, value in options:
            if letter in _FOLLOWED:
                setattr(self, *_FOLLOWED[letter])
            elif letter == "o":
                self._configure(value)
            elif letter not in _NEEDLESS and value not in _ONLY.get(letter, ()):
                raise _impossible(f"-{letter}", value)

    def _configure(self, text: str) -> None:
        keyword, value = _keyword(text)
        if keyword == "requesttty":
            self.terminal = {"no": False, "yes": True, "force": True}.get(value)
        elif keyword == "sessiontype" and value in ("default", "subsystem"):
            self.subsystem = value == "subsystem"
        elif keyword == "stdinnull":
            self.without_input = value == "yes"
        elif keyword == "sendenv":
            self._send(value)
        elif keyword == "setenv":
            self._set_variables(value)
        elif keyword not in _NEEDLESS_KEYWORDS and value not in _ONLY_KEYWORDS.get(keyword, ()):
            raise _impossible(f"-o {text}", "")

    def _send(self, patterns: str) -> None:
        from fnmatch import fnmatchcase

        for pattern in patterns.split():
            self.environment.update(
                {name: value for name, value in os.environ.items() if fnmatchcase(name, pattern)}
            )

    def _set_variables(self, text: str) -> None:
        import shlex

        try:
            words = shlex.split(text)
        except ValueError as error:
            raise InputError(f"-o SetEnv={text}: {error}") from error
        for word in words:
            name, equals, value = word.partition("=")
            if not name or not equals:
                raise InputError(f"-o SetEnv={text}: {word} is not NAME=VALUE")
            self.environment[name] = value


def _keyword(text: str) -> tuple[str, str]:
    """Split the text of `-o` into keyword and value, separated by blanks or one `=` (ssh_config(5))."""
    text = text.strip()
    end = next((place for place, sign in enumerate(text) if sign in " \t="), len(text))
    value = text[end:].lstrip().removeprefix("=").strip()
    keyword = text[:end].lower()
    if keyword != "setenv" and len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1]
    return keyword, value


def _impossible(option: str, value: str) -> InputError:
    said = f"{option} {value}" if value else option
    if option == "-l":
        return InputError(
            f"{said}: commands in a machine run as {USER}. For another user: sudo -u {value} COMMAND"
        )
    return InputError(
        f"{said} is an option of ssh, but machines have no SSH: commands run by exec on their endpoint. "
        "For ports, see: " + command("ip", "--own")
    )

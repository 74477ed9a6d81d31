"""The base class, and the errors that any call can end with: every start of the program loads them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class DinvError(Exception):
    """Base class: `except DinvError` catches every error that dinv raises on purpose."""

    exit_code = 1
    about = ""
    """The machine that a command line named when the error occurred, if it is about one."""

    __module__ = "dinv.errors"

    def __init_subclass__(cls, **more: Any) -> None:
        """Give dinv's own classes the module that everybody imports them from.

        Tracebacks, `help` and pickles name it, and stay the same when a class moves to another file.
        """
        super().__init_subclass__(**more)
        if cls.__module__.startswith("dinv.errors."):
            cls.__module__ = "dinv.errors"

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle the finished error: `__init__` takes other arguments than the message."""
        import copyreg

        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]

    @property
    def text(self) -> str:
        """The original message: a `dinv.wording.Wording` if it names commands or options."""
        return self.args[0] if self.args and isinstance(self.args[0], str) else str(self)

    @property
    def hints(self) -> list[list[str]]:
        """The commands that the message names, such as ["rm", "-f", "dev"]: possible next steps."""
        commands: list[list[str]] = getattr(self.text, "commands", [])
        return commands


class InputError(DinvError):
    """A flag, a name or an environment variable has a value that cannot be used."""


class UsageError(InputError):
    """A command line does not fit its verb.

    `help` is the verb's help, if it is worth showing; `see` is the command that shows it, which the message
    names; `meant` is a "Did you mean" question or ""; `reason` is the message without those.
    """

    def __init__(self, reason: str, help: str = "", *, see: str = "", meant: str = "") -> None:  # noqa: A002  (its name everywhere)
        end = "" if reason.endswith((".", "?")) else "."
        said = f"{reason}{end} See '{see}'." if see else reason
        super().__init__(f"{said}\n{meant}" if meant else said)
        self.reason = reason
        self.help = help
        self.meant = meant


class DeadlineExceeded(DinvError):
    """A call or a wait took too long. `what` was waited for, `seconds` was the limit."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(f"{what} took longer than {seconds:g} s")
        self.what = what
        self.seconds = seconds


class Interrupted(DinvError):
    """Ctrl-C or SIGTERM. `signal` is its number; the exit status is 128 + signal."""

    def __init__(self, signal: int) -> None:
        super().__init__("Interrupted")
        self.signal = signal
        self.exit_code = 128 + signal

"""Hooks: programs of the user's that are asked and told."""

from __future__ import annotations

from dinv.errors.base import DinvError

_SHOWN_LINES = 5


class HookRefused(DinvError):
    """A hook has refused what was about to happen, or could not be asked, which comes to the same.

    `hook` is its name, `event` what it was asked about, `reason` what was wrong with it, continuing "The hook
    NAME ..."; `output` are the lines it printed, and `place` is where it is.
    """

    def __init__(self, hook: str, event: str, reason: str, output: list[str], place: str) -> None:
        refuses = reason.startswith("has ended with exit status")
        said = [line.strip() for line in output if line.strip()][-_SHOWN_LINES:]
        if refuses and said:
            text = f"The hook {hook} has refused: {'; '.join(said)}"
        elif refuses:
            text = f"The hook {hook} has refused, without a word: it {reason}"
        else:
            text = (
                f"The hook {hook} {reason}. It is asked before this goes on ({event}), and a hook that "
                f"cannot answer refuses" + (f". It printed: {'; '.join(said)}" if said else "")
            )
        end = "" if text.endswith((".", "!", "?")) else "."
        what = "Do what it asks for, or change or remove it" if refuses else "Repair or remove it"
        super().__init__(f"{text}{end} {what}: {place}")
        self.hook = hook
        self.event = event
        self.reason = reason
        self.output = output
        self.place = place

"""Which way progress is shown: as --progress and --quiet say, and as the stream can."""

from __future__ import annotations

from dinv.cli.arguments import AUTO, JSON, QUIET
from dinv.cli.show.progress import LiveProgress, PlainProgress, QuietProgress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from dinv.cli.voice import Voice
    from dinv.progress import Progress


def progress(voice: Voice, *, kind: str = AUTO, machine: str = "", live: bool = True) -> Progress:
    """The Progress of this kind, for one machine or for all.

    `live`: whether there is room for a line that moves; beside a trace, or several machines, there is none.
    """
    if kind == JSON:
        from dinv.cli.show.event_progress import JsonProgress

        return JsonProgress(voice, machine)
    if kind == QUIET:
        return QuietProgress(voice)
    if kind == AUTO and live and _moves(voice.stream):
        return LiveProgress(voice)
    return PlainProgress(voice)


def _moves(stream: TextIO) -> bool:
    """Whether somebody sees a line move there; what CI systems give for a terminal is a file in the end."""
    from dinv.cli.show.colour import is_looked_at

    return is_looked_at(stream)

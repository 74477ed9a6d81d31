"""How progress is shown: by --progress and --quiet, and by what the stream can do."""

from __future__ import annotations

from dinv.cli.arguments import AUTO, JSON, QUIET
from dinv.cli.show.progress import LiveProgress, PlainProgress, QuietProgress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from dinv.cli.voice import Voice
    from dinv.progress import Progress


def progress(
    voice: Voice, *, kind: str = AUTO, machine: str = "", live: bool = True, named: bool = False
) -> Progress:
    """Return the Progress of this kind, for one machine or for all.

    `live`: whether a live line is possible; it is not next to a trace, or for several machines. `named`:
    whether the machine's name is in each line.
    """
    if kind == JSON:
        from dinv.cli.show.event_progress import JsonProgress

        return JsonProgress(voice, machine)
    if kind == QUIET:
        return QuietProgress(voice)
    if kind == AUTO and live and _moves(voice.stream):
        return LiveProgress(voice)
    return PlainProgress(voice, machine if named else "")


def _moves(stream: TextIO) -> bool:
    """Return whether somebody sees a live line there; a CI system's "terminal" ends up in a file."""
    from dinv.cli.show.colour import is_looked_at

    return is_looked_at(stream)

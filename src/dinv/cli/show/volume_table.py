"""The list of volumes that `dinv volume` prints."""

from __future__ import annotations

from dinv.cli.show.fitting import show as show_rows
from dinv.cli.voice import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from dinv.cache_volumes import CacheVolume
    from dinv.cli.show.formatting import Format
    from dinv.cli.voice import Voice
    from dinv.progress import Progress

COLUMNS = ("Name", "Machine", "State", "Size", "Created", "Endpoint")
_UNKNOWN = "-"
_DAY_LENGTH = len("2026-11-29")


def show(volumes: Sequence[CacheVolume], form: Format | None, *, quiet: bool) -> None:
    """Print them by `form`, or as names with `quiet`, or as a table."""
    if form is not None:
        from dinv.cli.show import records

        form.show_all(records.of_volumes(volumes))
        return
    if quiet:
        for volume in volumes:
            put(volume.name)
        return
    rows = [
        (
            volume.name,
            volume.owner or volume.machine or _UNKNOWN,
            _state(volume),
            size(volume),
            volume.created[:_DAY_LENGTH] or _UNKNOWN,
            volume.endpoint,
        )
        for volume in volumes
    ]
    head = ("VOLUME", "MACHINE", "STATE", "SIZE", "CREATED", "ENDPOINT")
    show_rows(head, rows, spare=("ENDPOINT", "CREATED"))


def are_to_go(volumes: Sequence[CacheVolume], voice: Voice, progress: Progress) -> bool:
    """Say which volumes are about to be removed; return whether the user wants that. Raises NobodyToAsk."""
    from dinv.cli.show.question import confirmed

    if not volumes:
        progress.note("No volume is left of a machine that is gone")
        return False
    for volume in volumes:
        whose = f"of machine {volume.machine}" if volume.machine else f"unfinished copy of {volume.clone_of}"
        voice.say(f"  {volume.name}  {size(volume)}, {whose}, on {volume.endpoint}")
    voice.say("WARNING: This will remove these volumes, with the images in them.")
    return confirmed("Are you sure? (y/n): ", without="-f")


def size(volume: CacheVolume) -> str:
    """Return a volume's size for people; a dash if it is not known."""
    from dinv.formats.units import format_size

    return _UNKNOWN if volume.size is None else format_size(volume.size)


def _state(volume: CacheVolume) -> str:
    others = [user for user in volume.users if not user.startswith("dinv-")]
    return f"{volume.state} by {', '.join(others)}" if others else volume.state

"""The list of machine images that `dinv image` prints, and what each of its actions takes."""

from __future__ import annotations

from dinv.cli.show.fitting import show as show_rows
from dinv.cli.voice import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.parser import Options
    from dinv.cli.show.formatting import Format
    from dinv.cli.voice import Voice
    from dinv.image_building.builder import MachineImage


_TAKES = {
    "init": (True, "DIR, the directory to write to"),
    "build": (False, "DIR at most, the directory with the image's source"),
    "check": (True, "REF, the image"),
    "push": (True, "where to: REGISTRY/NAME[:TAG], such as registry.example.com/dinv:1"),
    "export": (True, "REF, the image; with --format certificates or userdata NAME, of a virtual machine"),
    "ls": (False, ""),
}
"""By action: whether it needs its argument, and what that is; "" where it takes none."""
ACTIONS = tuple(_TAKES)
_ONLY = {
    "with": ("init", "build"),
    "force": ("init",),
    "network": ("build",),
    "tag": ("build",),
    "image": ("push",),
    "output": ("export",),
    "size": ("export",),
    "kernel": ("export",),
    "url": ("export",),
}
"""The options of some actions only."""


def check(options: Options) -> None:
    """Raise InputError for an argument that is missing, and for options of another action."""
    from dinv.errors import InputError

    action, given = options.action, options.what
    needed, what = _TAKES[action]
    if needed and not given:
        raise InputError(f"image {action} takes {what}")
    if given and not what:
        raise InputError(f'image {action} takes no argument, and was given "{given}"')
    for option, actions in _ONLY.items():
        if getattr(options, option) and action not in actions:
            raise InputError(f"--{option} is for image {' and '.join(actions)}, and not for image {action}")


def features(options: Options) -> list[str]:
    """Return what was given by `--with`, several times or with commas."""
    given = getattr(options, "with") or ()
    return [name.strip() for text in given for name in text.split(",") if name.strip()]


def show_written(paths: list[str], directory: str, voice: Voice, *, quiet: bool) -> None:
    """Print the files that were written: with `quiet` their paths."""
    if quiet:
        for path in paths:
            put(path)
    else:
        voice.say(f"Wrote {len(paths)} files to {directory}. Its README.md says what is next.")


def show(images: list[MachineImage], form: Format | None, endpoint: str, *, quiet: bool) -> None:
    """Print them by `form`, or as names with `quiet`, or as a table."""
    from dinv.formats.units import format_size

    if form is not None:
        from dinv.cli.show import records

        form.show_all(records.of_images(images, endpoint))
        return

    named = [(name, image) for image in images for name in image.tags or (image.id,)]
    if quiet:
        for name, _ in named:
            put(name)
        return
    rows = [
        (
            name,
            image.id.removeprefix("sha256:")[:12],
            image.contract,
            image.version,
            image.base or "-",
            image.docker or "-",
            image.containerd or "-",
            image.runc or "-",
            f"{image.created:%Y-%m-%d %H:%M}",
            format_size(image.size),
        )
        for name, image in named
    ]
    head = ("IMAGE", "ID", "CONTRACT", "VERSION", "BASE", "DOCKER", "CONTAINERD", "RUNC", "CREATED", "SIZE")
    show_rows(head, rows, spare=("CONTRACT", "ID", "RUNC", "CONTAINERD", "BASE", "VERSION"))

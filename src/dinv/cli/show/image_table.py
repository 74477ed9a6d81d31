"""The list of machine images that `dinv image` prints."""

from __future__ import annotations

from dinv.cli.show.fitting import show as show_rows
from dinv.cli.voice import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.show.formatting import Format
    from dinv.image_building.builder import MachineImage


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
            image.base,
            f"{image.created:%Y-%m-%d %H:%M}",
            format_size(image.size),
        )
        for name, image in named
    ]
    head = ("IMAGE", "ID", "CONTRACT", "VERSION", "BASE", "CREATED", "SIZE")
    show_rows(head, rows, spare=("CONTRACT", "ID", "BASE", "VERSION"))

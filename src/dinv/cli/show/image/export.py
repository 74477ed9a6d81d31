"""`dinv image export`: a virtual machine's disk, or its disk with certificates, and how it is started."""

from __future__ import annotations

from dinv.cli.voice import put
from dinv.image_building.vm import CERTIFICATE_FORMATS
from dinv.image_building.vm import FORMATS as DISKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options

FORMATS = (*DISKS, *CERTIFICATE_FORMATS)


def run(app: App, options: Options) -> None:
    """Write what --format says, and print its path, or how to go on."""
    from dinv.errors import InputError

    kind = options.format or DISKS[0]
    if kind not in FORMATS:
        raise InputError(f'"{kind}" is not a format of image export: {", ".join(FORMATS)}')
    certificates = kind in CERTIFICATE_FORMATS
    wrong = ("size", "kernel") if certificates else ("url",)
    for option in wrong:
        if getattr(options, option):
            raise InputError(f"--{option} is not for image export --format {kind}")
    if certificates:
        _certificates(app, options, kind)
    else:
        _disk(app, options, kind)


def _certificates(app: App, options: Options, kind: str) -> None:
    from dinv.errors import InputError

    if not options.url:
        raise InputError(
            f"image export --format {kind} takes --url, where the virtual machine's daemon will be "
            f"reached, such as tcp://127.0.0.1:23760"
        )
    disk = kind == CERTIFICATE_FORMATS[0]
    path = options.output or f"{options.what}-{kind}.{'img' if disk else 'json'}"
    with app.interruptible():
        app.machines.virtual_machine(options.what, options.url, path, format=kind, progress=app.progress())
    if options.quiet:
        put(path)
        return
    how = "as a second disk" if disk else "as its user data"
    app.voice.say(f"Give {path} to the virtual machine {how}. It holds its daemon's private key.")
    app.voice.say(f"Once it runs: eval $({app.program} env {options.what})")


def _disk(app: App, options: Options, kind: str) -> None:
    from dinv.errors import OptionError
    from dinv.formats.units import parse_size

    path = options.output or f"{options.what.rpartition('/')[2].partition('@')[0].replace(':', '-')}.{kind}"
    size = None
    if options.size:
        try:
            size = parse_size(options.size)
        except ValueError as error:
            raise OptionError(str(error), option="size", value=options.size) from None
    progress = app.progress()
    with (
        app.machines.images(
            options.endpoint, cert_path=options.endpoint_cert_path, progress=progress
        ) as images,
        app.interruptible(),
    ):
        made = images.export(
            options.what, path, format=kind, size=size, kernel=options.kernel or "", progress=progress
        )
    if options.quiet:
        put(path)
    elif made.kernel:
        app.voice.say(f"Start it:    {made.command()}")

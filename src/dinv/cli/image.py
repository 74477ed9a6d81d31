"""`dinv image`: build machine images, and list those an endpoint has."""

from __future__ import annotations

from dinv.cli.voice import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from dinv.cli.app import App
    from dinv.cli.formatting import Format
    from dinv.cli.parser import Parser
    from dinv.images.builder import MachineImage


def arguments(parser: Parser) -> None:
    from dinv.drivers.docker.flags import DEFAULT_IMAGE

    parser.add_argument("action", choices=("build", "ls"))
    parser.add_argument(
        "--base",
        metavar="photon|debian|REF",
        help="what to build on (photon where the endpoint can have it, else debian)",
    )
    parser.add_argument(
        "--tag", default=DEFAULT_IMAGE, metavar="REF", help=f"name of the image ({DEFAULT_IMAGE})"
    )
    parser.add_argument("--endpoint", metavar="ENDPOINT", help="where ($DINV_ENDPOINT)")
    parser.add_argument("--endpoint-cert-path", metavar="DIR", help="its ca.pem, cert.pem and key.pem")
    parser.add_format()
    parser.add_progress("print only the id, or the names")


def run(app: App, options: argparse.Namespace) -> None:
    from dinv.images import builder

    form = app.format(options, own_table=True)
    app.voice.aside = bool(options.format)
    progress = app.progress()
    with app.machines.endpoint(
        options.endpoint, cert_path=options.endpoint_cert_path, progress=progress
    ) as engine:
        if options.action == "ls":
            _show(builder.image_list(engine), form, engine.address, quiet=options.quiet)
            return
        with app.interruptible(), progress.working("Image", f"building {options.tag}"):
            identity = builder.build(engine, base=options.base, tag=options.tag, report=progress.update)
        built = [image for image in builder.image_list(engine) if image.id == identity]
        progress.line("Image", options.tag, f"built on {', '.join(image.base for image in built)}")
    if options.format:
        _show(built, form, engine.address, quiet=False)
    elif options.quiet:
        put(identity)


def _show(images: list[MachineImage], form: Format | None, endpoint: str, *, quiet: bool) -> None:
    from dinv.cli.fitting import show
    from dinv.units import format_size

    if form is not None:
        from dinv import records

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
    show(head, rows, spare=("CONTRACT", "ID", "BASE", "VERSION"))

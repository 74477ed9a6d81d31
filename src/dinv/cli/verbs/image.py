"""`dinv image`: build machine images, push them to a registry, and list those an endpoint has."""

from __future__ import annotations

from dinv.cli.voice import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    from dinv.images import DEFAULT_IMAGE

    parser.add_argument("action", choices=("build", "push", "ls"))
    parser.add_argument("reference", nargs="?", metavar="REF", help="push: the target, REGISTRY/NAME[:TAG]")
    parser.add_argument(
        "--base",
        metavar="photon|debian|REF",
        help="what to build on (photon where the endpoint can have it, else debian)",
    )
    parser.add_argument("--tag", metavar="REF", help=f"build: name of the image ({DEFAULT_IMAGE})")
    parser.add_argument(
        "--image",
        metavar="REF",
        help=f"push: which image (the newer of REF and {DEFAULT_IMAGE}; built where there is neither)",
    )
    parser.add_argument("--endpoint", metavar="ENDPOINT", help="where ($DINV_ENDPOINT)")
    parser.add_argument("--endpoint-cert-path", metavar="DIR", help="its ca.pem, cert.pem and key.pem")
    parser.add_format()
    parser.add_progress("print only the id, or the names")


def run(app: App, options: Options) -> None:
    from dinv.cli.show import image_table
    from dinv.images import DEFAULT_IMAGE

    _check(options)
    form = app.format(options, own_table=True)
    app.voice.aside = bool(options.format)
    progress = app.progress()
    with app.machines.images(
        options.endpoint, cert_path=options.endpoint_cert_path, progress=progress
    ) as images:
        if options.action == "ls":
            image_table.show(images.list(), form, images.endpoint, quiet=options.quiet)
            return
        with app.interruptible():
            if options.action == "push":
                identity, name = images.push(
                    options.reference, image=options.image or "", base=options.base, progress=progress
                )
            else:
                tag = options.tag or DEFAULT_IMAGE
                identity = name = images.build(base=options.base, tag=tag, progress=progress).id
        if options.format:
            made = [image for image in images.list() if image.id == identity]
            image_table.show(made, form, images.endpoint, quiet=False)
        elif options.quiet:
            put(name)


def _check(options: Options) -> None:
    """Raise InputError for options of another action."""
    from dinv.errors import InputError

    push = options.action == "push"
    if push and not options.reference:
        raise InputError(
            "image push takes where to: REGISTRY/NAME[:TAG], such as registry.example.com/dinv:1"
        )
    if options.reference and not push:
        raise InputError(f'image {options.action} takes no argument, and was given "{options.reference}"')
    if options.tag and options.action != "build":
        raise InputError(f"--tag is for image build, and not for image {options.action}")
    if options.image and not push:
        raise InputError(f"--image is for image push, and not for image {options.action}")

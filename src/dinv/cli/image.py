"""`dinv image`: build machine images, and list those an endpoint has."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from dinv.cli.app import App
    from dinv.cli.parser import Parser


def arguments(parser: Parser) -> None:
    from dinv.drivers.docker.flags import DEFAULT_IMAGE

    parser.add_argument("action", choices=("build", "ls"))
    parser.add_argument(
        "--base",
        metavar="photon|debian|REF",
        help="what the image is built on (photon where it can be had, else debian)",
    )
    parser.add_argument(
        "--tag", default=DEFAULT_IMAGE, metavar="REF", help=f"name of the image ({DEFAULT_IMAGE})"
    )
    parser.add_argument("--endpoint", metavar="ENDPOINT", help="where ($DINV_ENDPOINT)")
    parser.add_argument("--endpoint-cert-path", metavar="DIR", help="its ca.pem, cert.pem and key.pem")
    parser.add_argument("-q", "--quiet", action="store_true", help="print only what was built, or the names")


def run(app: App, options: argparse.Namespace) -> None:
    from dinv.cli.table import table
    from dinv.images import workshop
    from dinv.units import format_size

    with workshop.engine_for(
        app.machines.store, options.endpoint, options.endpoint_cert_path, app.progress(), app.trace
    ) as engine:
        if options.action == "build":
            with app.interruptible():
                built = workshop.build(engine, base=options.base, tag=options.tag, progress=app.progress())
            if options.quiet:
                print(built)
            return
        found = workshop.machine_images(engine)
    if options.quiet:
        print(*(image.reference for image in found), sep="\n", end="\n" if found else "")
        return
    rows = [
        (
            image.reference,
            image.identity,
            image.contract,
            image.version,
            image.created,
            format_size(image.size),
        )
        for image in found
    ]
    print(table(("IMAGE", "ID", "CONTRACT", "VERSION", "CREATED", "SIZE"), rows))

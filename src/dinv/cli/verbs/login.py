"""`dinv login`: machines of this store come from a dinv server from now on."""

from __future__ import annotations

from dinv.cli.show.question import confirmed
from dinv.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("url", nargs="?", metavar="URL")
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        help="file with a token, - for standard input ($DINV_TOKEN, else in a browser)",
    )
    parser.add_argument("--ca", metavar="FILE", help="CA that the server's certificate is from")
    parser.add_argument("-q", "--quiet", action="store_true", help="print no more than what has to be done")


def run(app: App, options: Options) -> None:
    if not options.url:
        raise InputError(f"Which server? {app.program} login https://HOST")
    certificate = "" if options.ca else _asked_to_trust(app, options.url)

    def show(address: str, code: str) -> None:
        app.voice.say(f"Open {address} in a browser, anywhere, and allow the code {code}")

    before = app.machines.server.login
    with app.interruptible():
        login = app.machines.server.log_in(
            options.url, token_file=options.token_file, ca_file=options.ca, ca=certificate, show=show
        )
    if not options.quiet:
        app.voice.say(f"Logged in to {login.url} as {login.person}.")
        if before is not None and before.url != login.url:
            app.voice.remark(
                f"The login to {before.url} is forgotten: its machines cannot be changed from this store "
                "until you log in there again, and its token is valid until it ends or is revoked there."
            )
        app.voice.hint(f"A machine of it: {app.program} create NAME")


def _asked_to_trust(app: App, url: str) -> str:
    """Return the certificate that the user trusts the server by; "" if that is not a question."""
    certificate, fingerprint = app.machines.server.untrusted_ca(url)
    if certificate:
        app.voice.say(f"The certificate of {url} is not from a CA that this computer trusts.")
        if app.machines.server.has_changed(url, certificate):
            app.voice.warn("It is another CA than when you logged in. Unless its operators say so, answer no")
        app.voice.say(f"Its fingerprint (SHA-256), which the server shows as it starts: {fingerprint}")
        if not confirmed("Is it the same?  (y/n): ", without="--ca FILE"):
            raise InputError("Nothing was changed: the server is not trusted.")
    return certificate

"""`dinv serve`: a server that gives a team machines, by a page, an API and this command line."""

from __future__ import annotations

from dinv.cli.voice import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser
    from dinv.server.settings import Settings


def arguments(parser: Parser) -> None:
    add_database(parser)
    parser.add_argument("--listen", metavar="HOST:PORT", help="where (127.0.0.1:8443)")
    parser.add_argument("--public-url", metavar="URL", help="how people reach it, if by another name")
    parser.add_argument("--tls-cert", metavar="FILE", help="certificate with its chain (one of its own)")
    parser.add_argument("--tls-key", metavar="FILE", help="the certificate's key")
    parser.add_argument("--plain", action="store_true", help="HTTP, for a proxy that has TLS")
    parser.add_argument("--check", action="store_true", help="say what is wrong, and end")
    parser.add_argument("--backup", metavar="FILE", help="write a backup, and end")
    parser.add_argument("--restore", metavar="FILE", help="bring a backup back, and end")


def add_database(parser: Parser) -> None:
    """Add the flags that say which server's data are meant."""
    parser.add_argument("--config", metavar="FILE", help="a TOML file with all settings, OIDC's too")
    parser.add_argument("--state", metavar="DIR", help="its directory (server, in the store)")
    parser.add_argument("--database", metavar="URL", help="postgresql://USER@HOST/NAME (SQLite, in --state)")
    parser.add_argument("--secret-file", metavar="FILE", help="the key of its records (made, in --state)")


def settings(app: App, options: Options) -> Settings:
    """Return the settings that the command line, the environment and the file say."""
    import os

    from dinv.server import installed

    installed.check()
    from dinv.server.serving.options import settings as read

    names = ("state", "database", "secret_file", "listen", "public_url", "tls_cert", "tls_key", "plain")
    given = {name: getattr(options, name, None) for name in names}
    return read(given, file=options.config or "", state=os.path.join(app.store.path, "server"))


def run(app: App, options: Options) -> int:
    found = settings(app, options)
    if options.check:
        from dinv.server.serving.checking import check

        findings = check(found)
        for each in findings:
            put(f"{'wrong' if each.fault else 'ok':<6} {each.what}{': ' + each.fault if each.fault else ''}")
        return 1 if any(each.fault for each in findings) else 0
    if options.backup or options.restore:
        from dinv.server.serving import backup

        if options.backup:
            backup.save(found, options.backup)
            app.voice.say(f"Written: {options.backup}. It has all keys: keep it safe.")
        else:
            backup.restore(found, options.restore)
            app.voice.say(f"Brought back into {found.state}.")
        return 0
    from functools import partial

    from dinv.server.serving.running import serve
    from dinv.server.web.log import log_to

    log_to()
    serve(found, store=app.store.path, say=partial(put, at_once=True))
    return 0

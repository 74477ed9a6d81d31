"""The server, from its start to its end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import uvicorn

from dinv.server.problems import Problem
from dinv.server.serving import first_steps, interpreter
from dinv.server.serving.assembling import assemble, database_of, make_directory
from dinv.server.serving.certificates import Certificates
from dinv.server.serving.connections import Connection, Server, ended_by_signals, listener
from dinv.server.settings import Settings
from dinv.server.web.app import make_app, warm_up
from dinv.server.web.log import LOG
from dinv.server.work.hosts import Hosts
from dinv.store.store import Store

REQUESTS_SECONDS = 15
"""How long requests that are under way may take once the server is to stop."""
OPERATIONS_SECONDS = 45.0
"""And operations. What is not done then, this server or another does later."""
_MOST_CONNECTIONS = 2000
_LARGEST_HEADERS = 32 * 1024


def serve(
    settings: Settings,
    *,
    store: str | None = None,
    say: Callable[[str], None] = lambda _text: None,
    stopping: threading.Event | None = None,
    hosts: Hosts | None = None,
) -> None:
    """Run the server until SIGTERM, SIGINT, or until `stopping` is set; then what is under way is finished.

    Several may run on one PostgreSQL; on SQLite one. `store` is the user's store, by which this computer's
    engine is found where the database has no endpoint yet. `say` is told what a person who starts it has to
    know, the link for the first operator among it. `hosts` is for tests (see `assemble`). Raises Problem, and
    Unavailable for the database.
    """
    stopping = stopping or threading.Event()
    interpreter.prepare()
    with ended_by_signals(stopping):
        _serve(settings, store, say, stopping, hosts)


def _serve(
    settings: Settings,
    store: str | None,
    say: Callable[[str], None],
    stopping: threading.Event,
    hosts: Hosts | None,
) -> None:
    make_directory(settings)
    certificates = None if settings.plain else Certificates(settings)
    socket = listener(*settings.listen)
    try:
        # Port 0 is any free one.
        settings = replace(settings, listen=(settings.listen[0], socket.getsockname()[1]))
        database = database_of(settings)
        try:
            database.upgrade()
            assembled = assemble(settings, database, hosts)
            parts = replace(assembled.parts, stopping=stopping)
            app = make_app(parts)
            warm_up(app)
            server = Server(_config(settings, app, certificates), stopping)
            for text in first_steps.take(parts.fleet, Store(store)):
                say(text)
            assembled.work.start()
            try:
                _welcome(settings, parts.people.first_link(), certificates, say)
                if certificates is not None:
                    certificates.keep(stopping)
                interpreter.settle()
                LOG.info("serving", extra={"server": settings.url})
                server.run(sockets=[socket])
                if not server.started:
                    raise Problem("The server could not be started; its log says why.")
            finally:
                stopping.set()
                assembled.work.stop(timeout=OPERATIONS_SECONDS)
                LOG.info("stopped", extra={"server": settings.url})
        finally:
            database.close()
    finally:
        socket.close()


def _config(settings: Settings, app: object, certificates: Certificates | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        host=settings.listen[0],
        port=settings.listen[1],
        http=Connection,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=REQUESTS_SECONDS,
        h11_max_incomplete_event_size=_LARGEST_HEADERS,
        ssl_context_factory=(lambda _config, _default: certificates.context) if certificates else None,
    )


def _welcome(
    settings: Settings, link: str, certificates: Certificates | None, say: Callable[[str], None]
) -> None:
    say(f"The page: {settings.url}")
    if certificates is not None and certificates.ca_path:
        say(f"Its certificate is of the server's own CA, which people are to trust: {certificates.ca_path}")
        say(f"  SHA-256 {certificates.fingerprint()}")
    if link:
        say("There is no operator yet. Whoever opens this link within an hour becomes the first one:")
        say(f"  {settings.url}{link}")

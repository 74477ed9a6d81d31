"""The application: the routes of all parts, in the frame that every request passes.

From the outside in: the address that a trusted proxy names; headers; id, log and figures; bounds; where the
request comes from. Then the route.
"""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware import Middleware
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from dinv import __version__
from dinv.server.web import answers, api, health, page, trust
from dinv.server.web.middleware.headers import Headers
from dinv.server.web.middleware.limits import Limits
from dinv.server.web.middleware.origin import Origin
from dinv.server.web.middleware.requests import Requests
from dinv.server.web.middleware.waking import Waking
from dinv.server.web.page import rendering
from dinv.server.web.parts import Parts


def make_app(parts: Parts) -> FastAPI:
    """Return the application of a server with these parts."""
    settings = parts.settings
    proxies = list(settings.trusted_proxies)
    middleware = [
        Middleware(Headers),
        Middleware(Requests),
        Middleware(Limits),
        Middleware(Origin, public_url=settings.public_url),
        Middleware(Waking, wake=parts.wake),
    ]
    if proxies:
        middleware.insert(0, Middleware(ProxyHeadersMiddleware, trusted_hosts=proxies))
    app = FastAPI(
        title="dinv",
        version=__version__,
        middleware=middleware,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,
    )
    app.state.parts = parts
    app.state.behind_proxy = settings.plain
    answers.install(app)
    app.include_router(health.router)
    app.include_router(trust.router)
    api.install(app)
    page.install(app)
    return app


def warm_up(app: FastAPI) -> None:
    """Have done what would be done when the first request comes: templates compiled, and routes built.

    They take a third of a second together, for which all who come at once would wait: after a restart that is
    everybody whose page is open.
    """
    rendering.load_all()
    nowhere = {"type": "http", "method": "GET", "path": "/-", "root_path": "", "headers": []}
    for route in app.routes:
        # FastAPI builds those of a router when it is first asked whether one of them fits.
        route.matches(nowhere)

"""The page: HTML that works without JavaScript; with it, what changes is shown live.

htmx swaps the parts that server-sent events bring (`live.py`). Every action is a form, and its answer
redirects. Templates say what is shown, routes ask Fleet and People, and nothing here decides anything.
"""

from __future__ import annotations

from fastapi import FastAPI


def install(app: FastAPI) -> None:
    """Add the page to the application, and have problems shown as pages to browsers."""
    from dinv.server.web.page.problem_page import problem_page
    from dinv.server.web.page.routes.pages import router

    app.include_router(router)
    app.state.problem_page = problem_page

"""A problem, for a browser."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from dinv.server.paths import local_path
from dinv.server.problems import NotSignedIn, Problem
from dinv.server.web import answers
from dinv.server.web.page.rendering import page


def problem_page(request: Request, problem: Problem) -> Response:
    """What happened and what to do; for somebody who is not signed in, the form to do so."""
    if isinstance(problem, NotSignedIn):
        wanted = request.url.path if request.method == "GET" else "/"
        if request.method == "GET" and request.url.query:
            wanted += f"?{request.url.query}"
        return RedirectResponse(f"/sign-in?next={quote(wanted, safe='/')}", 303)
    shown = page(
        request,
        "problem.html",
        actor=None,
        status=problem.status,
        title=problem.title,
        detail=problem.detail,
        errors=problem.fields.get("errors", ()),
        back=_back(request),
        request_id=request.scope.get("dinv.request_id", ""),
    )
    shown.headers.update(answers.headers(problem))
    return shown


def _back(request: Request) -> str:
    """The page that one came from, if it is of this server."""
    referrer = urlsplit(request.headers.get("referer", ""))
    return local_path(referrer.path) if referrer.netloc == request.url.netloc else "/"

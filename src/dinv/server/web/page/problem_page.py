"""A problem, for a browser."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import quote, urlsplit

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from dinv.server.paths import local_path
from dinv.server.problems import NotSignedIn, Problem
from dinv.server.web import answers
from dinv.server.web.cookies import session_of
from dinv.server.web.page.rendering import page


def problem_page(request: Request, problem: Problem) -> Response:
    """What happened and what to do; for somebody who is not signed in, the form to do so."""
    if isinstance(problem, NotSignedIn):
        return _to_sign_in(request)
    shown = page(
        request,
        "problem.html",
        actor=None,
        wrong=problem,
        errors=problem.fields.get("errors", ()),
        back=_back(request),
        request_id=request.scope.get("dinv.request_id", ""),
    )
    shown.headers.update(answers.headers(problem))
    return shown


def _to_sign_in(request: Request) -> Response:
    """Send somebody to sign in, and back afterwards; to the form, for somebody who has sent one."""
    if "hx-request" in request.headers:
        # A part of a page that asks for itself: a form to sign in is not to stand in its place.
        return Response(status_code=HTTPStatus.UNAUTHORIZED, headers={"Cache-Control": "no-store"})
    wanted = _back(request)
    if request.method == "GET":
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    said = "&said=over" if session_of(request) else ""
    return RedirectResponse(f"/sign-in?next={quote(wanted, safe='/')}{said}", HTTPStatus.SEE_OTHER)


def _back(request: Request) -> str:
    """The page that one came from, if it is of this server."""
    referrer = urlsplit(request.headers.get("referer", ""))
    return local_path(referrer.path) if referrer.netloc == request.url.netloc else "/"

"""Problems as answers: RFC 9457 for programs, the page's own for browsers; errors of the framework too.

An unexpected error is logged with its request's id, and the answer tells the id and nothing else.
"""

from __future__ import annotations

import http
import json
import math
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from dinv.errors import DinvError
from dinv.server.problems import Invalid, NoRoute, Problem, TooLarge
from dinv.server.web.log import LOG

# What a database says of NUL, and of half of a surrogate pair, wherever they were in a request.
_NO_TEXT = (DataError, UnicodeEncodeError)
PROBLEM_JSON = "application/problem+json"


class ProblemResponse(Response):
    """A problem as JSON; `type` is "urn:dinv:problem:KIND", and `kind` its last word."""

    media_type = PROBLEM_JSON


class TooSlow(Problem):
    """The body did not arrive in time."""

    status = 408
    kind = "too-slow"
    title = "The request took too long to arrive"


class NotAllowed(Problem):
    """The path is right, the method is not."""

    status = 405
    kind = "method-not-allowed"
    title = "That cannot be done with this"


class Refused(Problem):
    """What the framework itself refuses, with a status that has no type of its own here."""

    kind = "refused"

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.title = http.HTTPStatus(status).phrase


def body(problem: Problem, request_id: str = "") -> dict[str, Any]:
    """Return what problem+json says of it."""
    found: dict[str, Any] = {
        "type": f"urn:dinv:problem:{problem.kind}",
        "kind": problem.kind,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
    }
    if request_id:
        found["request_id"] = request_id
    return {**problem.fields, **found}


def response(problem: Problem, request_id: str = "") -> Response:
    """Return the answer for a program."""
    content = json.dumps(body(problem, request_id), default=str).encode()
    return ProblemResponse(content, problem.status, headers=headers(problem))


def headers(problem: Problem) -> dict[str, str]:
    """Return the headers that belong to a problem, in whatever form it is answered."""
    found = {"Cache-Control": "no-store"}
    if problem.retry_after is not None:
        found["Retry-After"] = str(max(1, math.ceil(problem.retry_after)))
    if problem.status == http.HTTPStatus.UNAUTHORIZED:
        found["WWW-Authenticate"] = 'Bearer realm="dinv"'
    if isinstance(problem, TooLarge | TooSlow):
        # What is still to come of the request would be taken for the next one.
        found["Connection"] = "close"
    if "allow" in problem.fields:
        found["Allow"] = str(problem.fields["allow"])
    return found


def wants_page(request: Request) -> bool:
    """Tell whether a browser asks, that is somebody who can read HTML and did not ask the API."""
    return not request.url.path.startswith("/api/") and "text/html" in request.headers.get("accept", "")


def install(app: FastAPI) -> None:
    """Have every error of `app` answered here."""
    app.state.problem_page = None
    app.add_exception_handler(DinvError, _answer)
    app.add_exception_handler(HTTPException, _answer)
    app.add_exception_handler(RequestValidationError, _answer)
    for kind in _NO_TEXT:
        app.add_exception_handler(kind, _answer)


def unexpected(request_id: str) -> Problem:
    """Return the problem that stands for an error nobody foresaw, and that is being handled: it is logged."""
    LOG.exception("unexpected error", extra={"request_id": request_id})
    return Problem(f"Tell an operator: the server's log has more, under the request {request_id}.")


def as_problem(error: Exception) -> Problem:
    """Return an error of the framework, or of dinv's library, as a problem."""
    if isinstance(error, Problem):
        return error
    if isinstance(error.__cause__, Problem):
        return error.__cause__  # FastAPI makes one of its own of what is raised while it reads a body
    if isinstance(error, _NO_TEXT):
        return Invalid("There is something in what was sent that is not text, or a number that is too large.")
    if isinstance(error, RequestValidationError):
        return Invalid("Some of what was sent is not as it has to be.", errors=_faults(error))
    return _refused(error) if isinstance(error, HTTPException) else Problem(str(error))


def _refused(error: HTTPException) -> Problem:
    if error.status_code == http.HTTPStatus.NOT_FOUND:
        return NoRoute()
    if error.status_code == http.HTTPStatus.METHOD_NOT_ALLOWED:
        allow = (error.headers or {}).get("Allow", "")
        return NotAllowed(f"This address can be used with: {allow or 'other methods'}.", allow=allow)
    return Refused(error.status_code, str(error.detail))


def answer(scope: Scope, problem: Problem) -> Response:
    """Return the answer to a request, for whoever asks, and note it for the log."""
    request = Request(scope)
    scope["dinv.problem"] = problem.kind
    app = scope.get("app")
    page = app.state.problem_page if app else None
    if page is not None and wants_page(request):
        shown = page(request, problem)
        assert isinstance(shown, Response)  # noqa: S101  # the page's promise
        return shown
    return response(problem, scope.get("dinv.request_id", ""))


def _answer(request: Request, error: Exception) -> Response:
    return answer(request.scope, as_problem(error))


def _faults(error: RequestValidationError) -> list[dict[str, str]]:
    """Return what pydantic found, without the values that were sent: they may be passwords."""
    found = []
    for each in error.errors()[:50]:
        where, *path = each["loc"]
        pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
        fault = {"pointer": pointer, "detail": str(each["msg"])[:300]}
        found.append(fault if where == "body" else {**fault, "in": str(where)})
    return found

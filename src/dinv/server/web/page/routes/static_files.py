"""Style, scripts and the icon: kept by browsers for ever, since a changed file has another path."""

from __future__ import annotations

from fastapi import APIRouter, Response

from dinv.server.problems import NotFound
from dinv.server.web.page.rendering import static_content, static_digest

router = APIRouter()

_TYPES = {
    "dinv.css": "text/css; charset=utf-8",
    "dinv.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "htmx-sse.min.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


@router.get("/static/{digest}/{name}")
def static_file(digest: str, name: str) -> Response:
    """A file of the table above; one of another digest is of another release."""
    if name not in _TYPES or digest != static_digest(name):
        raise NotFound("There is no such file.")
    return Response(
        static_content(name),
        media_type=_TYPES[name],
        headers={"Cache-Control": "public, max-age=31536000, immutable"},
    )


@router.get("/favicon.ico")
def favicon() -> Response:
    """For browsers that ask without looking at the page."""
    return Response(static_content("icon.svg"), media_type="image/svg+xml")

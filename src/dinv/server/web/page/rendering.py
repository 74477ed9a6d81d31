"""Templates into HTML: the one place that knows Jinja, and how times and sizes are written."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from dinv import __version__
from dinv.formats.durations import about
from dinv.formats.units import format_size
from dinv.server.models import Actor
from dinv.server.problems import Problem
from dinv.server.web.page import shown

SAID = {
    "asked": ("good", "It is on its way."),
    "extended": ("good", "It has more time now."),
    "stopping": ("good", "It is being stopped. Its containers and images stay."),
    "starting": ("good", "It is being started."),
    "removing": ("good", "It is being deleted."),
    "revoked": ("good", "That access is being taken away: it takes a few seconds."),
    "token-revoked": ("good", "The token is not accepted any more."),
    "signed-out": ("good", "Your other sessions have ended."),
    "password": ("good", "Your password is changed, and your other sessions have ended."),
    "saved": ("good", "It is saved."),
    "gone": ("good", "It is gone."),
    "as-long": ("warn", "It has as much time as that already, or as much as its template allows."),
    "over": ("warn", "Your session is over. Sign in again; what you sent last was not done."),
}
"""What a page says after an action, by the word in its URL: text from a URL is never shown."""

SOON = timedelta(hours=1)


def left(moment: datetime) -> str:
    """How long it is until then, as "3 h 20 min" or "2 days 5 h"; "over" from then on."""
    seconds = int((_utc(moment) - datetime.now(UTC)).total_seconds())
    if seconds <= 0:
        return "over"
    if seconds < 60:
        return about(seconds)
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{about(days * 86400)} {hours} h" if hours and days < 10 else about(days * 86400)
    return f"{hours} h {minutes} min" if hours else about(seconds)


def until(moment: datetime) -> str:
    """When it will be, as "in 3 hours"."""
    return "now" if left(moment) == "over" else f"in {left(moment)}"


def clock(moment: datetime) -> str:
    """The time of day in UTC, with the date unless it is of today."""
    day = _utc(moment).date()
    return _utc(moment).strftime("%H:%M:%S" if day == datetime.now(UTC).date() else "%m-%d %H:%M:%S")


def is_soon(moment: datetime) -> bool:
    """Whether it is less than an hour until then: a reason to show it in another colour."""
    return _utc(moment) - datetime.now(UTC) < SOON


def ago(moment: datetime) -> str:
    """How long ago it was, as "3 hours ago"."""
    seconds = (datetime.now(UTC) - _utc(moment)).total_seconds()
    return f"{about(seconds)} ago" if seconds >= 1 else "just now"


def moment(value: datetime) -> str:
    """Date and time, in UTC, to the second."""
    return _utc(value).strftime("%Y-%m-%d %H:%M:%S UTC")


def _utc(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=UTC)


@cache
def static(name: str) -> str:
    """The path of a static file, with a digest: it may be kept for ever, and a new one has another path."""
    return f"/static/{static_digest(name)}/{name}"


@cache
def static_digest(name: str) -> str:
    """Hexadecimal, 12 digits. Raises FileNotFoundError."""
    return hashlib.sha256(static_content(name)).hexdigest()[:12]


@cache
def static_content(name: str) -> bytes:
    """Raises FileNotFoundError."""
    return files(__package__).joinpath("static", name).read_bytes()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__, "templates"),
        autoescape=select_autoescape(default_for_string=True, default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "about": about,
        "ago": ago,
        "amount": shown.amount,
        "clock": clock,
        "left": left,
        "moment": moment,
        "plain": shown.plain,
        "size": format_size,
        "until": until,
    }
    environment.globals |= {
        "amounts": shown.amounts,
        "details": shown.details,
        "endpoint_state": shown.endpoint_state,
        "has_log": shown.has_log,
        "has_time": shown.has_time,
        "is_soon": is_soon,
        "machine_state": shown.machine_state,
        "may_change": shown.may_change,
        "pool_state": shown.pool_state,
        "static": static,
        "version": __version__,
    }
    return environment


def load_all() -> None:
    """Compile all templates, which otherwise happens when they are first used."""
    environment = _environment()
    for name in environment.list_templates(extensions=["html"]):
        environment.get_template(name)


def fragment(template: str, **context: Any) -> str:
    """Part of a page, as HTML."""
    return _environment().get_template(template).render(context)


def page(
    request: Request,
    template: str,
    *,
    actor: Actor | None,
    here: str = "",
    wrong: Problem | None = None,
    **context: Any,
) -> HTMLResponse:
    """A whole page. `here` is the part of the navigation it belongs to; `wrong` gives its status."""

    def current(part: str) -> Markup:
        return Markup(' aria-current="page"') if part == here else Markup("")

    kind, text = SAID.get(request.query_params.get("said", ""), ("", ""))
    said = {"kind": kind, "text": text} if text else None
    html = fragment(template, actor=actor, current=current, said=said, wrong=wrong, **context)
    # Pages show what is somebody's own, and may show a secret: nobody keeps them.
    return HTMLResponse(html, wrong.status if wrong else 200, headers={"Cache-Control": "no-store"})


def onward(path: str, said: str = "") -> RedirectResponse:
    """The answer to a form: look there. `path` is one of this server."""
    if said:
        path += ("&" if "?" in path else "?") + f"said={said}"
    return RedirectResponse(path, 303)

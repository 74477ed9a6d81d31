"""Kinds of machine, as operators write them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from dinv.server.models import Actor
from dinv.server.problems import Problem
from dinv.server.web.given import CurrentParts, Overseer
from dinv.server.web.page.rendering import onward, page

router = APIRouter(prefix="/operate")

EXAMPLE = """\
apiVersion: dinv/v1
kind: Template
name: builds
title: A big one
description: For builds that take long
ttl: 4h
options:
  cpus: 8
  memory: 16g
pool:
  size: 1
  max: 4
"""


@router.get("/templates")
def templates(request: Request, parts: CurrentParts, actor: Overseer) -> HTMLResponse:
    """As operators wrote them."""
    return _templates(request, parts, actor)


def _templates(
    request: Request, parts: CurrentParts, actor: Actor, document: str = EXAMPLE, wrong: Problem | None = None
) -> HTMLResponse:
    return page(
        request,
        "operate/templates.html",
        actor=actor,
        here="templates",
        templates=parts.fleet.templates(actor),
        document=document,
        wrong=wrong,
    )


@router.post("/templates")
def put_template(
    request: Request,
    parts: CurrentParts,
    actor: Overseer,
    document: Annotated[str, Form(max_length=65536)] = "",
) -> Response:
    """A new one, or another version of one that is there."""
    try:
        parts.fleet.put_template(actor, document)
    except Problem as problem:
        return _templates(request, parts, actor, document, problem)
    return onward("/operate/templates", "saved")


@router.post("/templates/{name}/remove")
def remove_template(parts: CurrentParts, actor: Overseer, name: str) -> Response:
    """Its machines stay."""
    parts.fleet.remove_template(actor, name)
    return onward("/operate/templates", "gone")

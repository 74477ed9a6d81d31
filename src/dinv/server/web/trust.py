"""/ca.pem: the server's own CA, for whoever is about to trust it, having compared its fingerprint."""

from __future__ import annotations

import os

from fastapi import APIRouter
from starlette.responses import Response

from dinv.server.problems import NotFound
from dinv.server.web.guards import PartsOf
from dinv.system import files

router = APIRouter(include_in_schema=False)


@router.get("/ca.pem")
def ca(parts: PartsOf) -> Response:
    """The CA; where the certificate is somebody else's, there is none to tell."""
    settings = parts.settings
    path = os.path.join(settings.state, "tls", "ca.pem")
    if settings.plain or settings.tls_certificate or not os.path.exists(path):
        raise NotFound(
            "This server has no CA of its own: its certificate is from another, or a proxy has one."
        )
    return Response(files.read(path), media_type="application/x-pem-file")

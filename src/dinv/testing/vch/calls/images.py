"""Images: pulled from registries the VCH is allowed, tagged, removed. They are those of the engine behind.

vmware/vic: lib/apiservers/engine/backends/image.go, commit.go.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dinv.engine.reference import parse_reference
from dinv.errors import InputError
from dinv.testing.vch.rules import errors
from dinv.testing.vch.rules.errors import VicError
from dinv.testing.vch.state import LABEL
from dinv.testing.vch.wire import relay
from dinv.testing.vch.wire.behind import BehindError
from dinv.testing.vch.wire.http import Answer

if TYPE_CHECKING:
    from typing import Any

    from dinv.testing.vch.state import Context

    JSON = dict[str, Any]

_AUTH = "x-registry-auth"


def image_create(context: Context) -> Answer:
    """A pull. Errors come within the stream, as they do on each engine."""
    query = context.request.query
    if "fromSrc" in query:
        raise errors.not_implemented("ImportImage")
    context.ignore_query("platform")
    name, tag = query.get("fromImage", ""), query.get("tag", "")
    try:
        registry = parse_reference(name).registry
    except InputError as error:
        raise errors.bad_request(str(error)) from error
    whitelist = context.vch.settings.registry_whitelist
    if whitelist and registry not in whitelist:
        said = f"Access denied to unauthorized registry ({registry}) while VCH is in whitelist mode"
        line = json.dumps({"errorDetail": {"message": said}, "error": said})
        return Answer(200, iter([line.encode() + b"\r\n"]), {"Content-Type": "application/json"})
    headers = {"X-Registry-Auth": context.request.headers[_AUTH]} if _AUTH in context.request.headers else {}
    # Without a tag an engine pulls all tags, a VCH the latest.
    wanted = {"fromImage": name, "tag": tag or "latest"} if "@" not in name else {"fromImage": name}
    return relay.stream(context, "POST", "/images/create", query=wanted, headers=headers)


def image_list(context: Context) -> Answer:
    """GET /images/json."""
    if "dangling" in context.filters():
        raise errors.bare("filter dangling is not currently supported by vic")
    query = context.query("all", "filters")
    found = context.vch.behind.json("GET", "/images/json", query=query)
    # Without the algorithm, which inspect has.
    return Answer.json([{**image, "Id": image["Id"].removeprefix("sha256:")} for image in found])


def image_inspect(context: Context) -> Answer:
    """GET /images/NAME/json."""
    name = context.groups["name"]
    try:
        return Answer.json(context.vch.behind.json("GET", f"/images/{name}/json"))
    except BehindError as error:
        if error.status == 404:
            raise VicError(404, f"No such image: {name}") from error
        raise


def image_remove(context: Context) -> Answer:
    """DELETE /images/NAME."""
    query = context.query("force", "noprune")
    vch = context.vch
    try:
        return Answer.json(vch.behind.json("DELETE", f"/images/{context.groups['name']}", query=query))
    except BehindError as error:
        raise VicError(error.status, vch.own_words(error.message)) from error


def image_tag(context: Context) -> Answer:
    """POST /images/NAME/tag."""
    context.vch.behind.json("POST", f"/images/{context.groups['name']}/tag", query=context.request.query)
    return Answer(201)


def commit(context: Context) -> Answer:
    """POST /commit, of containers that do not run."""
    vch, query = context.vch, dict(context.request.query)
    container = vch.find(query.get("container", ""))
    if vch.inspect(container)["State"]["Running"]:
        raise VicError(
            409, "vSphere Integrated Containers does not yet support commit of a running container"
        )
    query["container"] = container.id
    # The image is the user's: it does not say whose its container was.
    query["changes"] = f'{query.get("changes", "")}\nLABEL {LABEL}=""'.strip()
    return Answer.json(
        vch.behind.json("POST", "/commit", query=query, body=context.body("commit") or None), 201
    )


HANDLERS = {
    "PullImage": image_create,
    "Images": image_list,
    "LookupImage": image_inspect,
    "ImageDelete": image_remove,
    "TagImage": image_tag,
    "Commit": commit,
}

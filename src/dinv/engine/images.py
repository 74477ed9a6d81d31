"""The calls about images."""

from __future__ import annotations

from math import inf

from dinv.engine import shapes
from dinv.engine.reference import parse_reference
from dinv.engine.wire.http_syntax import quote
from dinv.engine.wire.streams import JSONLines
from dinv.errors import NotFound, ServerError, Unauthorized
from dinv.system.deadline import Deadline, IdleDeadline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from dinv.engine.calls import Calls
    from dinv.engine.credentials import Credentials
    from dinv.engine.wire.http import Readable, Response
    from dinv.errors import EngineError

    JSON = dict[str, Any]
    JSONList = list[dict[str, Any]]
    Progress = Callable[[JSON], object] | None

# How many seconds pull, push, build, load and import may be silent.
IDLE = 120.0
_TAR = {"Content-Type": "application/x-tar"}

# Errors within a stream have no status; registries' messages tell them apart.
_STREAM_ERRORS: tuple[tuple[str, type[EngineError]], ...] = (
    ("unauthorized", Unauthorized),
    ("denied", Unauthorized),
    ("authentication required", Unauthorized),
    ("no basic auth credentials", Unauthorized),
    ("manifest unknown", NotFound),
    ("not found", NotFound),
)


class Images:
    """`engine.images`. Answers are the API's own objects; images go by name or id.

    pull, push, load, import_ and build take `timeout` as a limit of silence: each sign of progress,
    sent or received, restarts it. A Deadline limits the whole call.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def inspect(self, image: str, *, timeout: float | Deadline | None = None) -> JSON:
        """Return one image. Raises NotFound."""
        found: JSON = self._calls.json(
            "GET", f"/images/{quote(image, '/:@')}/json", shape=shapes.IMAGE, timeout=timeout
        )
        return found

    def tag(self, image: str, name: str, *, timeout: float | Deadline | None = None) -> None:
        """Give an image another name (`latest` without a tag). Raises NotFound."""
        reference = parse_reference(name)
        query = {"repo": reference.name, "tag": reference.tag or "latest"}
        self._calls.call("POST", f"/images/{quote(image, '/:@')}/tag", query=query, timeout=timeout)

    def remove(
        self,
        image: str,
        *,
        force: bool = False,
        noprune: bool = False,
        timeout: float | Deadline | None = None,
    ) -> None:
        """Remove a name, and the image with its last one. Raises NotFound, Conflict while it is in use."""
        query = {"force": force, "noprune": noprune}
        self._calls.call("DELETE", f"/images/{quote(image, '/:@')}", query=query, timeout=timeout)

    def pull(
        self,
        image: str,
        *,
        credentials: Credentials | None = None,
        platform: str | None = None,
        progress: Progress = None,
        timeout: float | Deadline = IDLE,
    ) -> None:
        """Pull one image; `progress` gets each message: "status", "id" of a layer, "progressDetail" in bytes.

        Credentials come from `dinv.engine.credentials.find`. Raises NotFound, Unauthorized, ServerError
        with the registry's message; InputError for an invalid name.
        """
        reference = parse_reference(image)
        response = self._calls.request(
            "POST",
            "/images/create",
            query={"fromImage": reference.name, "tag": reference.version, "platform": platform},
            headers={"X-Registry-Auth": credentials.header()} if credentials else None,
            timeout=_idle(timeout),
        )
        for _ in _messages(response, progress):
            pass

    def push(
        self,
        image: str,
        *,
        credentials: Credentials | None = None,
        progress: Progress = None,
        timeout: float | Deadline = IDLE,
    ) -> str:
        """Push an image to the registry in its name; return its digest, "" if that is not reported.

        `progress` gets each message, as `pull` gives them. Raises NotFound if the engine has no image of that
        name; Unauthorized, ServerError with the registry's message; InputError for an invalid name.
        """
        from dinv.engine.credentials import encode_header

        reference = parse_reference(image)
        response = self._calls.request(
            "POST",
            f"/images/{quote(reference.name, '/:')}/push",
            query={"tag": reference.tag or "latest"},
            # Required (moby: api/server/router/image/image_routes.go): "{}" without credentials.
            headers={"X-Registry-Auth": credentials.header() if credentials else encode_header({})},
            timeout=_idle(timeout),
        )
        digest = ""
        for message in _messages(response, progress):
            aux = message.get("aux")
            if isinstance(aux, dict):
                digest = str(aux.get("Digest") or "") or digest
        return digest

    def load(
        self, archive: Readable, *, progress: Progress = None, timeout: float | Deadline = IDLE
    ) -> list[str]:
        """Load images from a `docker save` tar; return their names, or ids if they have none."""
        response = self._calls.request(
            "POST",
            "/images/load",
            query={"quiet": progress is None},
            body=archive,
            headers=_TAR,
            timeout=_idle(timeout),
        )
        loaded: list[str] = []
        for message in _messages(response, progress):
            for line in str(message.get("stream") or "").splitlines():
                kind, colon, name = line.partition(": ")
                if colon and kind in ("Loaded image", "Loaded image ID"):
                    loaded.append(name.strip())
        return loaded

    def save(self, images: list[str], *, timeout: float | Deadline = IDLE) -> Response:
        """Ask for images as a `docker save` tar; the caller reads the answer's body, and closes it.

        Raises NotFound, ServerError.
        """
        return self._calls.request("GET", "/images/get", query={"names": images}, timeout=_idle(timeout))

    def import_(
        self,
        archive: Readable,
        *,
        repo: str | None = None,
        tag: str | None = None,
        changes: list[str] | None = None,
        message: str | None = None,
        platform: str | None = None,
        progress: Progress = None,
        timeout: float | Deadline = IDLE,
    ) -> str:
        """Create an image of one layer from the tar of a file system; return its id.

        `changes` are lines of a Dockerfile: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ...
        """
        response = self._calls.request(
            "POST",
            "/images/create",
            query={
                "fromSrc": "-",
                "repo": repo,
                "tag": tag,
                "changes": changes or [],
                "message": message,
                "platform": platform,
            },
            body=archive,
            headers=_TAR,
            timeout=_idle(timeout),
        )
        image = ""
        for found in _messages(response, progress):
            # The last status is the id.
            status = str(found.get("status") or "").strip()
            image = status if status.startswith("sha256:") else image
        if not image:
            raise response.error("it does not tell the image's id")
        return image

    def build(
        self,
        context: Readable,
        *,
        tag: str | None = None,
        buildargs: Mapping[str, str] | None = None,
        dockerfile: str | None = None,
        target: str | None = None,
        labels: Mapping[str, str] | None = None,
        platform: str | None = None,
        network: str | None = None,
        no_cache: bool = False,
        pull: bool = False,
        registries: list[Credentials] | None = None,
        progress: Progress = None,
        timeout: float | Deadline = IDLE,
    ) -> str:
        """Build an image from a tar of its context, with the classic builder; return its id.

        `dockerfile` is a path within the context; `registries` are the credentials that FROM may need. A step
        that is silent for long needs a larger `timeout`. A failing step raises ServerError with the engine's
        message. `progress` gets the output of the steps as "stream".
        """
        headers = dict(_TAR)
        if registries:
            from dinv.engine.credentials import encode_header

            headers["X-Registry-Config"] = encode_header({one.server: one.fields() for one in registries})
        response = self._calls.request(
            "POST",
            "/build",
            query={
                "t": tag,
                "dockerfile": dockerfile,
                "buildargs": buildargs or None,
                "labels": labels or None,
                "target": target,
                "platform": platform,
                "networkmode": network,
                "nocache": no_cache or None,
                "pull": pull or None,
                "rm": True,
                "forcerm": True,
            },
            body=context,
            headers=headers,
            timeout=_idle(timeout),
        )
        image = ""
        for message in _messages(response, progress):
            aux = message.get("aux")
            if isinstance(aux, dict) and aux.get("ID"):
                image = str(aux["ID"])
            done = str(message.get("stream") or "").partition("Successfully built ")[2].split()
            # Engines older than API 1.29 have no "aux"; this id is short.
            image = image or (done[0] if done else "")
        if not image:
            raise response.error("it does not tell the image's id")
        return image

    def list(
        self,
        *,
        all: bool = False,  # noqa: A002 - the API's word
        filters: Mapping[str, list[str]] | None = None,
        timeout: float | Deadline | None = None,
    ) -> JSONList:
        """Return the images that match all of `filters`, such as `{"label": ["a=b"]}`."""
        query = {"all": all, "filters": filters or None}
        found: JSONList = self._calls.json(
            "GET", "/images/json", query=query, shape=shapes.IMAGES, timeout=timeout
        )
        return found


def _idle(timeout: float | Deadline) -> Deadline:
    return timeout if isinstance(timeout, Deadline) else IdleDeadline(None if timeout == inf else timeout)


def _messages(response: Response, progress: Progress) -> Iterator[JSON]:
    """Yield the messages of a progress stream, given to `progress` first; raise one that is an error."""
    lines = JSONLines()
    with response:
        while True:
            data = response.read_some()
            try:
                found = lines.feed(data) if data else lines.end()
            except ValueError as exc:
                raise response.error(str(exc)) from exc
            for message in found:
                _raise_error(message, response)
                if progress is not None:
                    progress(message)
                yield message
            if not data:
                return


def _raise_error(message: JSON, response: Response) -> None:
    detail = message.get("errorDetail")
    text = (detail.get("message") if isinstance(detail, dict) else None) or message.get("error")
    if not text:
        return
    words = str(text).lower()
    kind = next((kind for part, kind in _STREAM_ERRORS if part in words), ServerError)
    raise kind(str(text).strip(), status=response.status, method=response.method, path=response.path)

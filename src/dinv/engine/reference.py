"""Names of images: which registry, which repository, which tag or digest."""

from __future__ import annotations

import re

from dinv.errors import InputError

DOCKER_HUB = "docker.io"

# distribution/reference: reference.go. Kept to what tells the parts apart.
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}")
_REGISTRY = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
_LONGEST_NAME = 255


class Reference:
    """An image's name, split into its parts.

    `registry` is docker.io if none is written; `repository` has no registry; `name` is registry and
    repository as written; `tag` and `digest` are None if not given.
    """

    __slots__ = ("digest", "name", "registry", "repository", "tag")

    def __init__(
        self, name: str, registry: str, repository: str, tag: str | None, digest: str | None
    ) -> None:
        self.name = name
        self.registry = registry
        self.repository = repository
        self.tag = tag
        self.digest = digest

    @property
    def version(self) -> str:
        """What the API expects as a tag: the digest if there is one, else the tag, else latest."""
        return self.digest or self.tag or "latest"


def parse_reference(text: str) -> Reference:
    """Split an image's name, by docker's rules. Raises InputError.

    The first part is a registry if it has a dot or a port, or is localhost; else it belongs to the
    repository, on Docker Hub, where one-part names are in `library/`.
    """
    rest, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise _bad(text, "what follows @ is not a digest")
    name, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        name, tag = rest, ""
    elif not _TAG.fullmatch(tag):
        raise _bad(text, f'"{tag}" is not a tag')
    first, slash, repository = name.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost" or first != first.lower()):
        registry, repository = DOCKER_HUB, name
    else:
        registry = first
    if not _REGISTRY.fullmatch(registry):
        raise _bad(text, f'"{registry}" is not a registry')
    if not _PATH.fullmatch(repository) or len(name) > _LONGEST_NAME:
        raise _bad(text, "a repository has lower case letters, digits and . _ - between slashes")
    if registry == "index.docker.io":
        registry = DOCKER_HUB
    if registry == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    return Reference(name, registry, repository, tag or None, digest or None)


def _bad(text: str, why: str) -> InputError:
    return InputError(f'"{text}" is not the name of an image: {why}')

"""The errors a VCH answers with: VIC's texts and statuses.

vmware/vic: lib/apiservers/engine/errors/errors.go.
"""

from __future__ import annotations


class VicError(Exception):
    """An answer that is an error: `status` is HTTP's, `message` what VIC says."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    @property
    def unimplemented(self) -> bool:
        """Whether VIC says that it does not have what was called."""
        return "does not yet implement" in self.message or "is not yet supported" in self.message


# In this order: the first that is part of a message decides (docker 1.13: api/server/httputils/errors.go).
_STATUSES = (
    ("not found", 404),
    ("no such", 404),
    ("bad parameter", 400),
    ("no command", 400),
    ("conflict", 409),
    ("impossible", 406),
    ("unauthorized", 401),
)


def bare(message: str) -> VicError:
    """An error without a type: its status is guessed from its words, as the API server does."""
    words = message.lower()
    return VicError(next((status for part, status in _STATUSES if part in words), 500), message)


def not_implemented(operation: str) -> VicError:
    """What VIC does not have, in any version or in this one; `operation` is VIC's name for it."""
    return VicError(500, f"vSphere Integrated Containers does not yet implement {operation}")


def swarm() -> VicError:
    """All calls of Swarm."""
    return VicError(404, "Docker Swarm is not yet supported")


def page_not_found() -> VicError:
    """A path without a route, such as /build."""
    return VicError(404, "page not found")


def no_such_container(name: str) -> VicError:
    """A container that the VCH does not know."""
    return VicError(404, f"No such container: {name}")


def from_portlayer(message: str) -> VicError:
    """500: vSphere, or the port layer above it, could not."""
    return VicError(500, f"Server error from portlayer: {message}")


def bad_request(message: str) -> VicError:
    """400: what was asked for cannot be had."""
    return VicError(400, f"Bad request error from portlayer: {message}")


def conflict(message: str) -> VicError:
    """409: it cannot be had now."""
    return VicError(409, f"Conflict error from portlayer: {message}")


def locked(message: str) -> VicError:
    """423: something holds what is needed."""
    return VicError(423, f"Resource locked: {message}")


def resource_in_use() -> VicError:
    """An archive call on a disk that an operation, or another running container, holds."""
    return VicError(500, "Resource in use")


def disk_locked() -> VicError:
    """A start that needs a disk which something else holds."""
    return from_portlayer(
        "File system specific implementation of LookupAndOpen[file] failed: Failed to lock the file"
    )


def collision() -> VicError:
    """Two operations on one container at once, of different kinds (vic#6236)."""
    return conflict("collision of concurrent operations")


def in_progress(operation: str, container: str) -> VicError:
    """The same operation twice at once."""
    return VicError(409, f"{operation} request is already in progress for container '{container}'.")

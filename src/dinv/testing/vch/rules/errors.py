"""The errors a VCH answers with: VIC's texts and statuses.

vmware/vic: lib/apiservers/engine/errors/errors.go.
"""

from __future__ import annotations


class VicError(Exception):
    """An answer that is an error: `status` is HTTP's, `message` VIC's."""

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
    """Return an error without a type: its status is guessed from its words, as the API server does."""
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
    """400: what was asked for is not possible."""
    return VicError(400, f"Bad request error from portlayer: {message}")


def conflict(message: str) -> VicError:
    """409: it is not possible now."""
    return VicError(409, f"Conflict error from portlayer: {message}")


def locked(message: str) -> VicError:
    """423: something holds what is needed."""
    return VicError(423, f"Resource locked: {message}")


def resource_in_use() -> VicError:
    """An archive call on a disk that an operation, or another running container, holds."""
    return VicError(500, "Resource in use")


def device_in_use(volume: str) -> VicError:
    """A start that needs a disk which another running container has, after VIC has tried for a minute."""
    return conflict(f"device {volume} in use")


def no_such_path(container: str) -> VicError:
    """A path in a container that is not there."""
    return VicError(404, f"No such file or directory for container: {container}")


def still_running() -> VicError:
    """Removing what runs."""
    return VicError(
        409, "You cannot remove a running container. Stop the container before attempting removal or use -f"
    )


def name_taken(name: str, owner: str) -> VicError:
    """A container's name that another one has, by the other's id (backends/cache/container_cache.go)."""
    return VicError(
        409,
        f'conflict. The name "{name}" is already in use by container {owner}. You have to remove (or rename) '
        f"that container to be able to re use that name.",
    )


def volume_exists(name: str) -> VicError:
    """A volume's name that is taken: 500, where an engine would answer with the volume."""
    return VicError(500, f"A volume named {name} already exists. Choose a different volume name.")


def disk_locked() -> VicError:
    """A start that needs a disk which something outside the VCH holds, or a copy that goes on."""
    return from_portlayer(
        "File system specific implementation of LookupAndOpen[file] failed: Failed to lock the file"
    )


def collision() -> VicError:
    """Two operations on one container at once, of different kinds (vic#6236)."""
    return conflict("collision of concurrent operations")


def in_progress(operation: str, container: str) -> VicError:
    """The same operation twice at once; `operation` is VIC's name for it, such as ContainerStart."""
    return VicError(409, f"{operation} request is already in progress for container '{container}'.")

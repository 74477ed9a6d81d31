"""Archives of the tests' own, unpacked on this computer."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def unpack(archive: tarfile.TarFile, directory: str | Path) -> None:
    """Extract all of it, as it is. Filters came with Python 3.11.4, and Debian 12 has 3.11.2."""
    if hasattr(tarfile, "fully_trusted_filter"):
        archive.extraction_filter = tarfile.fully_trusted_filter
    archive.extractall(directory)  # noqa: S202  (our own)

"""PEM files are read, or said in one way why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dinv.errors import CertificateError
from dinv.pki import pem
from dinv.system import files

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_there_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.pem"
    path.write_bytes(b"PEM\r\n")
    assert pem.read(str(path)) == pem.read_if_there(str(path)) == b"PEM\r\n"


def test_what_is_not_there_is_none_or_an_error(tmp_path: Path) -> None:
    path = str(tmp_path / "x.pem")
    assert pem.read_if_there(path) is None
    with pytest.raises(CertificateError, match=r"x\.pem cannot be read: No such file"):
        pem.read(path)


@pytest.mark.parametrize("read", [pem.read, pem.read_if_there])
def test_what_cannot_be_read_is_an_error_that_names_it(read: object, tmp_path: Path) -> None:
    assert callable(read)
    with pytest.raises(CertificateError, match=f"{tmp_path} cannot be read: .*directory"):
        read(str(tmp_path))


def test_the_lack_of_permission_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(path: str) -> bytes:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(files, "read", read)
    with pytest.raises(CertificateError, match=r"^/x\.pem cannot be read: Permission denied\. Give yourself"):
        pem.read("/x.pem")

"""The Authority seam: the table, the entry points."""

from __future__ import annotations

import importlib.metadata
from importlib.metadata import EntryPoint, EntryPoints
from typing import TYPE_CHECKING

import pytest
from fresh_python import modules_after

from dinv import authorities
from dinv.authorities import CertificateRequest
from dinv.authorities.local import LocalAuthority
from dinv.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class PluginAuthority:
    def __init__(self, *, machine: str, directory: str, options: Mapping[str, str]) -> None:
        self.opened = machine, directory, dict(options)

    def certificate(self, request: CertificateRequest) -> bytes:
        return request.csr

    def trust_anchor(self) -> bytes:
        return b""


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    points = EntryPoints(
        [
            EntryPoint("corporate", f"{__name__}:PluginAuthority", authorities.GROUP),
            EntryPoint("broken", "dinv_no_such_module:Nothing", authorities.GROUP),
            EntryPoint("local", f"{__name__}:PluginAuthority", authorities.GROUP),
            EntryPoint("other", f"{__name__}:PluginAuthority", "somebody.else"),
        ]
    )
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: points.select(group=group))


def test_the_built_in_one_is_found_without_scanning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def scan(**_: str) -> EntryPoints:
        raise AssertionError("entry points were scanned for a built-in name")

    monkeypatch.setattr(importlib.metadata, "entry_points", scan)
    found = authorities.open_authority("local", machine="dev", directory=str(tmp_path))
    assert isinstance(found, LocalAuthority)


@pytest.mark.usefixtures("plugins")
def test_a_plugin_gets_machine_directory_and_options() -> None:
    found = authorities.open_authority(
        "corporate", machine="dev", directory="/d", options={"url": "https://ca"}
    )
    assert isinstance(found, PluginAuthority)
    assert found.opened == ("dev", "/d", {"url": "https://ca"})


@pytest.mark.usefixtures("plugins")
def test_a_plugin_does_not_take_the_place_of_a_built_in() -> None:
    assert authorities.find("local") is LocalAuthority


@pytest.mark.usefixtures("plugins")
def test_an_unknown_name_is_told_what_is_known() -> None:
    with pytest.raises(
        InputError, match=r'Authority "vualt" not found\. Known are: broken, corporate, local, shared\.'
    ):
        authorities.find("vualt")
    assert authorities.known() == ["broken", "corporate", "local", "shared"]


@pytest.mark.usefixtures("plugins")
def test_a_plugin_that_cannot_be_loaded_is_an_error_of_input() -> None:
    with pytest.raises(InputError, match="dinv_no_such_module"):
        authorities.find("broken")


def test_the_seam_loads_neither_cryptography_nor_typing() -> None:
    loaded = modules_after("import dinv.authorities")
    assert not {"cryptography", "typing", "importlib.metadata", "dataclasses", "pathlib"} & loaded


def test_a_request_shows_no_more_than_what_is_asked() -> None:
    request = CertificateRequest(csr=b"pem", role="client", names=("a",), machine="dev")
    assert repr(request) == "CertificateRequest(role='client', names=('a',), machine='dev')"

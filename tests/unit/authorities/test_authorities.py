"""The Authority seam: the table, the entry points."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING

import pytest
from entry_points import provide
from fresh_python import modules_after

from dinv import authorities
from dinv.authorities import Authority, CertificateRequest
from dinv.authorities.local import LocalAuthority
from dinv.declaration import Option
from dinv.errors import InputError, PluginBroken
from dinv.store.record import MachineConfig

if TYPE_CHECKING:
    from pathlib import Path


class PluginAuthority(Authority):
    name = "corporate"

    @classmethod
    def create_flags(cls) -> tuple[Option, ...]:
        return (
            Option("url", "CORPORATE_URL", "its server"),
            Option("token", "CORPORATE_TOKEN", "what lets one in", secret=True),
        )

    def certificate(self, request: CertificateRequest) -> bytes:
        return request.csr

    def trust_anchor(self) -> bytes:
        return b""


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint("corporate", f"{__name__}:PluginAuthority", authorities.GROUP),
        EntryPoint("broken", "dinv_no_such_module:Nothing", authorities.GROUP),
        EntryPoint("local", f"{__name__}:PluginAuthority", authorities.GROUP),
        EntryPoint("other", f"{__name__}:PluginAuthority", "somebody.else"),
    ]
    provide(monkeypatch, authorities.SEAM, points)


def test_the_built_in_one_is_found_without_scanning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    scans = provide(monkeypatch, authorities.SEAM, [])
    found = authorities.open_authority("local", machine="dev", directory=str(tmp_path))
    assert isinstance(found, LocalAuthority)
    assert scans == []


@pytest.mark.usefixtures("plugins")
def test_a_plugin_gets_machine_directory_and_options() -> None:
    found = authorities.open_authority(
        "corporate", machine="dev", directory="/d", options={"url": "https://ca"}
    )
    assert isinstance(found, PluginAuthority)
    assert (found.machine, found.directory, found.options) == (
        "dev",
        "/d",
        {"url": "https://ca", "token": None},
    )


@pytest.fixture
def dev(tmp_path: Path) -> MachineConfig:
    return MachineConfig.new(
        name="dev", store_path=str(tmp_path), driver_name="docker", identity="x", created="now"
    )


@pytest.mark.usefixtures("plugins")
def test_options_are_recorded_and_secrets_are_not(
    dev: MachineConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = authorities.open_authority(
        "corporate", machine="dev", directory="", options={"url": "https://ca", "token": "s3cret"}
    )
    found.record(dev)
    assert dev.ours["Authority"] == "corporate"
    assert dev.ours["AuthorityOptions"] == {"url": "https://ca"}
    monkeypatch.setenv("CORPORATE_TOKEN", "from the variable")
    again = authorities.of_machine(dev)
    assert again.options == {"url": "https://ca", "token": "from the variable"}
    assert again.directory == dev.directory
    given = authorities.of_machine(dev, directory="/d", secrets=found.options)
    assert (given.options["token"], given.directory) == ("s3cret", "/d")


@pytest.mark.usefixtures("plugins")
def test_where_the_ca_is_is_said_of_one_that_is_not_installed_too(dev: MachineConfig) -> None:
    assert authorities.ca_elsewhere(dev) == ""
    assert authorities.after_import(dev) == ""
    dev.ours["Authority"] = "corporate"
    assert authorities.ca_elsewhere(dev) == 'kept by the authority "corporate"'
    assert authorities.after_import(dev).startswith(
        'Its certificates are signed by the authority "corporate", which can renew them here'
    )
    dev.ours["Authority"] = "elsewhere"
    assert authorities.ca_elsewhere(dev) == 'kept by the authority "elsewhere"'
    assert 'cannot be renewed here: Authority "elsewhere" not found' in authorities.after_import(dev)


@pytest.mark.usefixtures("plugins")
def test_a_plugin_does_not_take_the_place_of_a_built_in() -> None:
    assert authorities.find("local") is LocalAuthority


@pytest.mark.usefixtures("plugins")
def test_an_unknown_name_is_told_what_is_known() -> None:
    known = "broken, cfssl, corporate, exec, local, shared, step, vault"
    with pytest.raises(InputError, match=rf'"vualt" not found\. Did you mean "vault"\? Known are: {known}\.'):
        authorities.find("vualt")
    assert authorities.known() == ["broken", "cfssl", "corporate", "exec", "local", "shared", "step", "vault"]


@pytest.mark.usefixtures("plugins")
def test_a_plugin_that_cannot_be_loaded_is_told_as_one() -> None:
    with pytest.raises(PluginBroken, match="dinv_no_such_module"):
        authorities.find("broken")


def test_the_seam_loads_neither_cryptography_nor_typing() -> None:
    loaded = modules_after("import dinv.authorities")
    assert not {"cryptography", "typing", "importlib.metadata", "dataclasses", "pathlib"} & loaded


def test_a_request_shows_no_more_than_what_is_asked() -> None:
    request = CertificateRequest(csr=b"pem", role="client", names=("a",), machine="dev")
    assert repr(request) == "CertificateRequest(role='client', names=('a',), machine='dev')"

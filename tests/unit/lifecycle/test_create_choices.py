"""A create with another authority, provisioner or image contract than the usual ones, and their options."""

from __future__ import annotations

import datetime as dt
import json
import os
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from fake_driver import FakeProvisioner, install
from heard import Heard

import dinv
from dinv import authorities, drivers, images, provisioners
from dinv.authorities.local import LocalAuthority
from dinv.declaration import INTEGER, Option
from dinv.errors import CertificateError, InputError, OptionError
from dinv.images.dinv import DinvContract
from dinv.lifecycle.create import CreateOptions, create
from dinv.lifecycle.host import Host, certificates
from dinv.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fake_driver import World

    from dinv.machines import Machines
    from dinv.pki.requests import CertificateRequest


class House(LocalAuthority):
    """Signs, and remembers what it was opened with."""

    name = "house"
    ca_per_machine = False
    seen: ClassVar[list[dict[str, Any]]] = []
    wrong = ""

    @classmethod
    def create_flags(cls) -> Sequence[Option]:
        return (
            Option("ca-url", "HOUSE_URL", "where it is"),
            Option("ca-days", "HOUSE_DAYS", "how long", type=INTEGER, default=9),
            Option("ca-token", "HOUSE_TOKEN", "what lets one in", secret=True),
        )

    def check(self) -> None:
        if self.wrong:
            raise CertificateError(self.wrong)

    def certificate(self, request: CertificateRequest) -> bytes:
        self.seen.append(self.options)
        return super().certificate(request)


class Swapping(FakeProvisioner):
    name = "swapping"
    seen: ClassVar[list[dict[str, Any]]] = []

    @classmethod
    def create_flags(cls) -> Sequence[Option]:
        return (
            *super().create_flags(),
            Option("swap", "", ""),
            Option("swap-key", "SWAP_KEY", "", secret=True),
        )

    @classmethod
    def record(cls, config: Any, options: Mapping[str, Any]) -> None:
        if options["swap"] == "lots":
            raise OptionError("is too much", option="swap", value="lots")
        super().record(config, options)

    def provision(self) -> None:
        self.seen.append(self.options)
        super().provision()


class Greeting(DinvContract):
    name = "greeting"

    @classmethod
    def create_flags(cls) -> Sequence[Option]:
        return (Option("greeting", "", "", default="hello"), Option("password", "PASSWORD", "", secret=True))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = install(monkeypatch, str(tmp_path / "endpoint"))
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    monkeypatch.setitem(authorities.BUILT_IN, "house", f"{__name__}:House")
    monkeypatch.setitem(provisioners._BUILT_IN, "swapping", f"{__name__}:Swapping")
    monkeypatch.setitem(images._BUILT_IN, "greeting", f"{__name__}:Greeting")
    monkeypatch.setattr(House, "seen", [])
    monkeypatch.setattr(Swapping, "seen", [])
    return world


@pytest.fixture
def machines(world: World, tmp_path: Path) -> Machines:
    return dinv.open(str(tmp_path / "store"))


def record(machines: Machines) -> dict[str, Any]:
    with open(os.path.join(machines._store.directory("dev"), "config.json"), encoding="utf-8") as file:
        found: dict[str, Any] = json.load(file)
    assert "s3cret" not in json.dumps(found)
    return found


def test_an_authority_signs_with_its_options_and_a_secret_that_is_kept_nowhere(machines: Machines) -> None:
    options: dict[str, Any] = {"ca_url": "https://ca", "ca_token": "s3cret"}
    machines.create("dev", driver="fake", authority="house", context=False, **options).close()
    assert len(House.seen) == 2, "server and client"
    assert House.seen[0] == {"ca_url": "https://ca", "ca_days": 9, "ca_token": "s3cret"}
    ours = record(machines)["Dinv"]
    assert ours["Authority"] == "house"
    assert ours["AuthorityOptions"] == {"ca_url": "https://ca", "ca_days": 9}
    assert machines.get("dev").ca_elsewhere == ""  # LocalAuthority's


def test_an_authority_that_cannot_sign_is_said_before_anything_is_done(
    machines: Machines, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(House, "wrong", "the CA is closed on Sundays")
    with pytest.raises(CertificateError, match="Sundays"):
        machines.create("dev", driver="fake", authority="house")
    assert world.steps == []
    assert machines.names() == []


def test_a_provisioner_has_its_options_at_the_create_and_later(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"swap": "no", "swap_key": "s3cret", "engine_label": {"a": "b"}}
    machines.create("dev", driver="fake", provisioner="swapping", context=False, **options).close()
    assert (Swapping.seen[0]["swap"], Swapping.seen[0]["swap_key"]) == ("no", "s3cret")
    found = record(machines)
    assert found["Dinv"]["Provisioner"] == "swapping"
    assert found["Dinv"]["ProvisionerOptions"] == {"swap": "no"}
    assert found["HostOptions"]["EngineOptions"]["Labels"] == ["a=b"]
    monkeypatch.setenv("SWAP_KEY", "from the variable")
    Host(machines._store.load("dev"), machines._store).provisioner.provision()
    assert (Swapping.seen[-1]["swap"], Swapping.seen[-1]["swap_key"]) == ("no", "from the variable")


def test_a_provisioner_refuses_a_value_before_anything_is_made(machines: Machines, world: World) -> None:
    with pytest.raises(OptionError, match="swap='lots' is too much"):
        machines.create("dev", driver="fake", provisioner="swapping", swap="lots")
    assert world.steps == []
    assert machines.names() == []


def test_a_contracts_options_are_the_machines(machines: Machines) -> None:
    options = CreateOptions(
        driver="fake",
        driver_values={"image_contract": "greeting"},
        contract_values={"greeting": "hi", "password": "s3cret"},
        context=False,
    )
    host = create(machines._store, "dev", options, Progress())
    assert host.secrets == {"password": "s3cret"}
    host.close()
    assert record(machines)["Dinv"]["ImageContractOptions"] == {"greeting": "hi"}
    assert images.find("greeting", {"greeting": "hi"}).own_options == {"greeting": "hi", "password": None}
    assert images.find("greeting").own_options == {"greeting": "hello", "password": None}


@pytest.mark.parametrize(
    ("driver", "provisioner", "said"),
    [
        ("fake", "none", 'The provisioner "none" puts nothing into a machine'),
        ("none", "docker", 'The provisioner "docker" sets machines up, and the driver "none" makes none'),
    ],
)
def test_what_does_not_go_together_is_refused(
    machines: Machines, driver: str, provisioner: str, said: str
) -> None:
    options: dict[str, Any] = {"url": "tcp://127.0.0.1:2375"} if driver == "none" else {}
    with pytest.raises(InputError) as caught:
        machines.create("dev", driver=driver, provisioner=provisioner, **options)
    assert said in str(caught.value)
    assert machines.names() == []


def test_the_usual_ones_may_be_named(machines: Machines) -> None:
    machines.create("dev", driver="fake", provisioner="docker", authority="local", context=False).close()
    ours = record(machines)["Dinv"]
    assert (ours["Provisioner"], ours["Authority"]) == ("docker", "local")
    assert not {"ProvisionerOptions", "ImageContractOptions"} & set(ours)


def test_each_driver_says_which_provisioner_its_machines_have() -> None:
    for name in drivers.SEAM.built_in:
        found = drivers.find(name)
        assert provisioners.find(found.provisioner).provisions == found.provisioned


def test_lifetimes_are_kept_and_recorded_for_later_renewals(machines: Machines) -> None:
    options: dict[str, Any] = {"cert_lifetime": "12h", "ca_lifetime": "30d", "context": False}
    with machines.create("dev", driver="fake", **options) as machine:
        dates = machine.certificates
    now = dt.datetime.now(dt.UTC)
    for each, asked in ((dates.client, 0.5), (dates.server, 0.5), (dates.ca, 30)):
        assert each is not None
        assert abs(each.not_after - now - dt.timedelta(days=asked)) < dt.timedelta(minutes=3)
    ours = record(machines)["Dinv"]
    assert (ours["CertLifetime"], ours["CALifetime"]) == (43200, 30 * 86400)
    host = Host(machines._store.load("dev"), machines._store)
    assert host.authority().ca_lifetime == 30 * 86400
    with machines._store.lock("dev", "testing"):
        certificates.issue(host)
    later = host.certificates
    assert later.server != dates.server
    assert later.server is not None
    assert abs(later.server.life - 43200) < 600
    assert later.ca == dates.ca


def test_without_any_nothing_is_recorded(machines: Machines) -> None:
    machines.create("dev", driver="fake", context=False).close()
    assert not {"CertLifetime", "CALifetime"} & set(record(machines)["Dinv"])


def test_certificates_that_end_with_their_ca_are_told(machines: Machines, tmp_path: Path) -> None:
    ca = {"tls_ca_cert": str(tmp_path / "ca.pem"), "tls_ca_key": str(tmp_path / "ca-key.pem")}
    heard = Heard()
    options: dict[str, Any] = {**ca, "driver": "fake", "context": False, "progress": heard}
    machines.create("dev", ca_lifetime="2d", **options).close()
    assert not [text for text in heard.notes + heard.warnings if "valid for" in text]
    machines.create("prod", ca_lifetime="9d", cert_lifetime="9d", **options).close()
    assert any("exists: it is valid for as long as it says" in text for text in heard.notes + heard.warnings)
    assert any(
        text.endswith("UTC as its CA is, not for 9 days as asked") for text in heard.notes + heard.warnings
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cert_lifetime": "4m"}, "is not between 5m and 3650d"),
        ({"ca_lifetime": "59m"}, "is not between 1h and 36500d"),
        ({"cert_lifetime": "2d", "ca_lifetime": "1d"}, "is longer than"),
        ({"authority": "house", "ca_lifetime": "1d"}, 'the authority "house" makes none'),
        (
            {"driver": "none", "url": "tcp://127.0.0.1:2376", "cert_lifetime": "1d"},
            "which makes no certificates",
        ),
    ],
)
def test_lifetimes_that_cannot_be_are_refused_before_anything_is_made(
    machines: Machines, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], said: str
) -> None:
    monkeypatch.setattr(House, "makes_ca", False)
    with pytest.raises(OptionError, match=said):
        machines.create("dev", **{"driver": "fake", **options})
    assert machines.names() == []

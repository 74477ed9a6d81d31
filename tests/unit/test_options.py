"""The one table of options: who has which, what is unknown, what cannot be together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from fake_driver import FakeDriver, install

from dinv import authorities, drivers, images, provisioners
from dinv.authorities import Authority
from dinv.declaration import Option
from dinv.errors import InputError, OptionError, PluginNotFound
from dinv.images.dinv import DinvContract
from dinv.options import Table
from dinv.provisioners import DockerdProvisioner
from dinv.provisioners.docker import DockerProvisioner
from dinv.store.settings import Defaults

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from dinv.options import Values
    from dinv.pki.requests import CertificateRequest
    from dinv.store.record import MachineConfig


class OtherDriver(FakeDriver):
    name = "other"
    own: ClassVar[tuple[Option, ...]] = (
        Option("colour", "OTHER_COLOUR", "of it"),
        Option("url", "", "of it"),
    )

    @classmethod
    def create_flags(cls) -> tuple[Option, ...]:
        return cls.own


class OtherAuthority(Authority):
    name = "other"

    @classmethod
    def create_flags(cls) -> Sequence[Option]:
        return (Option("ca-url", "OTHER_CA_URL", "of it"), Option("ca-token", "OTHER_TOKEN", "", secret=True))

    def certificate(self, request: CertificateRequest) -> bytes:
        raise NotImplementedError

    def trust_anchor(self) -> bytes:
        raise NotImplementedError


class OtherProvisioner(DockerProvisioner):
    name = "other"

    @classmethod
    def create_flags(cls) -> Sequence[Option]:
        return (*super().create_flags(), Option("swap", "", "of it"))


class OtherContract(DinvContract):
    name = "other"

    @classmethod
    def create_flags(cls) -> Sequence[Option]:
        return (Option("greeting", "", "of it", default="hello"),)


@pytest.fixture(autouse=True)
def others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("MACHINE_DRIVER", "DINV_AUTHORITY", "DINV_PROVISIONER", "DINV_IMAGE_CONTRACT"):
        monkeypatch.delenv(name, raising=False)
    install(monkeypatch, str(tmp_path))
    monkeypatch.setitem(drivers._BUILT_IN, "other", f"{__name__}:OtherDriver")
    monkeypatch.setitem(authorities.BUILT_IN, "other", f"{__name__}:OtherAuthority")
    monkeypatch.setitem(provisioners._BUILT_IN, "other", f"{__name__}:OtherProvisioner")
    monkeypatch.setitem(images._BUILT_IN, "other", f"{__name__}:OtherContract")


def values(given: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Values:
    environ = environ or {}
    return Table.chosen(given, environ).values(given, environ)


def test_each_seam_gets_what_it_has_declared() -> None:
    found = values(
        {
            "driver": "docker",
            "provisioner": "other",
            "authority": "other",
            "image_contract": "other",
            "memory": "1g",
            "swap": "none",
            "engine_label": {"team": "red"},
            "ca_url": "https://ca",
            "greeting": "hi",
            "tls_san": ["a"],
        },
        {"OTHER_TOKEN": "s3cret"},
    )
    assert found.driver_values["memory"] == 2**30
    assert found.provisioner_values["swap"] == "none"
    assert found.provisioner_values["engine_label"] == ("team=red",)
    assert found.authority_values == {"ca_url": "https://ca", "ca_token": "s3cret"}
    assert found.contract_values == {"greeting": "hi"}
    assert found.common["tls_san"] == ("a",)
    assert (found.driver, found.provisioner, found.authority) == ("docker", "other", "other")


def test_the_choice_may_come_from_variables() -> None:
    environ = {"MACHINE_DRIVER": "other", "DINV_AUTHORITY": "other", "OTHER_COLOUR": "red"}
    found = values({"ca_url": "x"}, environ)
    assert (found.driver, found.authority) == ("other", "other")
    assert found.driver_values["colour"] == "red"
    assert values({"driver": "docker"}, environ).driver == "docker"


def test_docker_machines_certificates_choose_their_authority() -> None:
    assert values({}).authority == ""
    given = {"tls_ca_cert": "ca.pem", "tls_ca_key": "ca-key.pem"}
    assert values(given).authority == "shared"
    assert values(given).authority_values == given
    assert values({}, {"MACHINE_TLS_CA_CERT": "ca.pem"}).authority == "shared"
    # Named is named: a variable in somebody's profile changes nothing then.
    assert values({"authority": "local"}, {"MACHINE_TLS_CA_CERT": "ca.pem"}).authority == "local"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"colour": "red"}, 'It is an option of the driver "other"'),
        ({"greeting": "hi"}, 'It is an option of the image contract "other"'),
        ({"swap": "x"}, 'It is an option of the provisioner "other"'),
        ({"authority": "local", "tls_ca_cert": "x"}, 'It is an option of the authority "shared"'),
        ({"memroy": "1g"}, 'Did you mean "memory"?'),
        ({"xyzzy": "1g"}, 'there is no option "xyzzy" of create'),
    ],
)
def test_an_option_that_there_is_not_is_said_whose_it_is(given: dict[str, str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        values(given)
    assert said in str(caught.value)


def test_what_two_of_them_have_cannot_be_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OtherDriver, "own", (Option("ca-url", "", ""),))
    with pytest.raises(InputError, match=r'authority other and driver other both have an option "ca_url"'):
        values({"driver": "other", "authority": "other"})
    for name in ("timeout", "pool"):
        monkeypatch.setattr(OtherDriver, "own", (Option(name, "", ""),))
        with pytest.raises(InputError, match="driver other and create itself"):
            values({"driver": "other"})
    # Those of an authority that nobody has named give way.
    monkeypatch.setattr(OtherDriver, "own", (Option("tls-ca-cert", "", ""),))
    assert values({"driver": "other", "tls_ca_cert": "x"}).driver_values == {"tls_ca_cert": "x"}


@pytest.mark.parametrize("seam", ["driver", "provisioner", "authority", "image_contract"])
def test_a_name_that_there_is_not_is_said_with_those_there_are(seam: str) -> None:
    with pytest.raises(PluginNotFound, match=r"Known are: .*other"):
        values({seam: "nosuch"})


@pytest.mark.parametrize(
    "given", [{"label": "team=red"}, {"dns": "1.1.1.1"}, {"tls_san": "a"}, {"engine_opt": "x"}]
)
def test_a_text_where_several_may_stand_is_an_error_for_every_such_option(given: dict[str, str]) -> None:
    with pytest.raises(OptionError, match="give a list"):
        values(given)


def test_every_repeatable_option_refuses_a_text_and_every_pair_takes_a_mapping() -> None:
    for option in Table(provisioner="other", authority="other", image_contract="other"):
        if option.repeatable:
            with pytest.raises(OptionError):
                option.value("a=b", {})
        if option.type == "pairs":
            assert option.value({"a": "b"}, {}) == ("a=b",)


def test_names_and_variables_are_one_options_only() -> None:
    """Of those that can be given together."""
    for table in (Table(), Table(driver="none"), Table(authority="shared")):
        names = [option.name for option in table]
        variables = [option.env for option in table if option.env]
        assert len(set(names)) == len(names)
        assert len(set(variables)) == len(variables)


class Recorded(DockerdProvisioner):
    name = "recorded"

    @classmethod
    def create_flags(cls) -> Sequence[Option]:
        return (*super().create_flags(), Option("swap", "", ""), Option("key", "KEY", "", secret=True))


def test_a_provisioner_records_its_options_and_no_secret(dev: MachineConfig) -> None:
    Recorded.record(dev, {"swap": "no", "key": "s3cret", "engine_label": ("a=b",)})
    assert dev.ours["Provisioner"] == "recorded"
    assert dev.ours["ProvisionerOptions"] == {"swap": "no"}
    assert dev.engine_options["Labels"] == ["a=b"]


@pytest.fixture
def dev(tmp_path: Path) -> MachineConfig:
    from dinv.store.record import MachineConfig

    return MachineConfig.new(
        name="dev", store_path=str(tmp_path), driver_name="fake", identity="x", created="now"
    )


# --- what a store says ------------------------------------------------------------------------------------


def stored(tmp_path: Path, text: str, given: dict[str, Any] | None = None, **environ: str) -> Values:
    (tmp_path / "config.toml").write_text("[create]\n" + text)
    defaults = Defaults.of(str(tmp_path))
    return Table.chosen(given or {}, environ, defaults).values(given or {}, environ)


VAULT = 'authority = "vault"\nvault-addr = "https://v.example"\nvault-role = "r"\nmemory = "2g"\n'


def test_a_store_chooses_an_authority_and_its_options(tmp_path: Path) -> None:
    values = stored(tmp_path, VAULT)
    assert values.authority == "vault"
    assert values.authority_values["vault_addr"] == "https://v.example"
    assert values.driver_values["memory"] == 2 * 1024**3


def test_a_flag_and_a_variable_come_before_what_a_store_says(tmp_path: Path) -> None:
    values = stored(tmp_path, VAULT, {"vault_role": "flag"}, DINV_VAULT_ADDR="https://w.example")
    assert values.authority_values["vault_role"] == "flag"
    assert values.authority_values["vault_addr"] == "https://w.example"
    # Options of an authority that is not chosen then are no mistake.
    for chosen in (
        stored(tmp_path, VAULT, {"authority": "local"}),
        stored(tmp_path, VAULT, DINV_AUTHORITY="local"),
    ):
        assert chosen.authority == "local"
        assert chosen.driver_values["memory"] == 2 * 1024**3


def test_options_that_imply_an_authority_come_before_the_one_of_a_store(tmp_path: Path) -> None:
    pair = {"tls_ca_cert": "/ca.pem", "tls_ca_key": "/key.pem"}
    assert stored(tmp_path, VAULT, pair).authority == "shared"
    assert (
        stored(tmp_path, VAULT, MACHINE_TLS_CA_CERT="/ca.pem", MACHINE_TLS_CA_KEY="/k").authority == "shared"
    )
    assert stored(tmp_path, 'tls-ca-cert = "/a"\ntls-ca-key = "/b"\n').authority == "shared"
    assert stored(tmp_path, VAULT + 'tls-ca-cert = "/a"\n').authority == "vault"


def test_a_store_may_choose_the_driver(tmp_path: Path) -> None:
    values = stored(tmp_path, 'driver = "none"\nurl = "tcp://h:1"\nno-context = true\nmemory = "2g"')
    assert values.driver == "none"
    assert values.driver_values["url"] == "tcp://h:1"
    assert values.common["context"] is False


def test_a_store_that_names_no_option(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        stored(tmp_path, 'cpus = 2\nmemroy = "2g"')
    assert str(caught.value).startswith(f"{tmp_path}/config.toml, line 3: memroy is no option of create. ")
    assert "memory" in str(caught.value)


def test_an_authority_of_a_store_is_not_for_machines_without_certificates(tmp_path: Path) -> None:
    values = stored(tmp_path, VAULT + 'provisioner = "docker"\n', {"driver": "none", "url": "tcp://h:1"})
    assert (values.driver, values.authority, values.provisioner) == ("none", "", "")
    shared = 'tls-ca-cert = "/a"\ntls-ca-key = "/b"\ncert-lifetime = "9d"\n'
    values = stored(tmp_path, shared, {"driver": "none", "url": "tcp://h:1"})
    assert (values.authority, values.common["cert_lifetime"]) == ("", None)
    assert stored(tmp_path, VAULT, {"driver": "none", "authority": "shared"}).authority == "shared"


@pytest.mark.parametrize("key", ["driver", "provisioner", "authority", "image-contract"])
def test_a_name_in_a_store_that_is_nobodys(tmp_path: Path, key: str) -> None:
    with pytest.raises(InputError) as caught:
        stored(tmp_path, f'memory = "2g"\n{key} = "nobdy"')
    assert str(caught.value).startswith(f"{tmp_path}/config.toml, line 3: {key} is not one. ")
    assert '"nobdy" not found.' in str(caught.value)
    with pytest.raises(PluginNotFound):
        stored(tmp_path, "", {key.replace("-", "_"): "nobdy"})

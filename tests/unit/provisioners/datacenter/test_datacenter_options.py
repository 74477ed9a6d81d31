"""The options of the provisioner "datacenter", checked before anything is made."""

from __future__ import annotations

from typing import Any

import pytest

from dinv.declaration import values
from dinv.errors import InputError, OptionError
from dinv.provisioners.datacenter import options

IMAGE = "mirantis/ucp:3.8.10"


def given(**wanted: Any) -> dict[str, Any]:
    return values(options.OPTIONS, wanted, {})


def test_what_is_right() -> None:
    options.check(given(ucp_image=IMAGE), joining=False)
    options.check(given(), joining=True)
    options.check(
        given(
            ucp_image="reg.example:5000/mirantis/ucp@sha256:" + "a" * 64,
            ucp_admin_username="jane.doe",
            ucp_controller_port=8443,
            ucp_opt=["pod-cidr=10.1.0.0/16", "debug"],
            dtr_image="mirantis/dtr:2.9.29",
            dtr_opt=["nfs-storage-url=nfs://h/d"],
        ),
        joining=False,
    )


def test_a_first_machine_needs_the_installer() -> None:
    with pytest.raises(InputError, match=r"ucp_image=.*mirantis/ucp"):
        options.check(given(), joining=False)


@pytest.mark.parametrize(
    ("wanted", "option", "why"),
    [
        ({"ucp_image": "mirantis/ucp; rm -rf /"}, "ucp-image", "not the name of an image"),
        ({"ucp_admin_username": "Jane Doe"}, "ucp-admin-username", "not a name for a user"),
        ({"ucp_controller_port": 0}, "ucp-controller-port", "not a port"),
        ({"ucp_controller_port": 2376}, "ucp-controller-port", "own daemon"),
        ({"ucp_swarm_port": 2377}, "ucp-swarm-port", "the swarm has it"),
        ({"ucp_kube_apiserver_port": 12387}, "ucp-kube-apiserver-port", "UCP needs it"),
        ({"ucp_swarm_port": 443}, "ucp-swarm-port", "same as ucp_controller_port"),
        ({"dtr_image": "dtr", "dtr_https_port": 443}, "dtr-https-port", "same as ucp_controller_port"),
        ({"ucp_opt": ["admin-password=tomato"]}, "ucp-opt", "dinv's to set, by ucp_admin_password"),
        ({"ucp_opt": ["host-address=1.2.3.4"]}, "ucp-opt", "dinv's to set"),
        ({"ucp_opt": ["registry-password=tomato"]}, "ucp-opt", "everybody who sees the command line"),
        ({"ucp_opt": ["--debug"]}, "ucp-opt", "without dashes"),
        ({"dtr_image": "dtr", "dtr_opt": ["ucp-password=x"]}, "dtr-opt", "dinv's to set"),
        ({"dtr_opt": ["debug"]}, "dtr-opt", "needs dtr_image"),
    ],
)
def test_what_is_wrong(wanted: dict[str, Any], option: str, why: str) -> None:
    with pytest.raises(OptionError, match=why) as raised:
        options.check(given(**{"ucp_image": IMAGE, **wanted}), joining=False)
    assert raised.value.option == option
    assert "tomato" not in str(raised.value)


@pytest.mark.parametrize("name", ["ucp_license", "ucp_san", "ucp_opt"])
def test_what_is_decided_where_ucp_is_installed(name: str) -> None:
    value = "/some/file" if name == "ucp_license" else ["debug"]
    with pytest.raises(OptionError, match="installed on"):
        options.check(given(**{name: value}), joining=True)


def test_ports_of_a_dtr_that_is_not_wanted_do_not_matter() -> None:
    options.check(given(ucp_image=IMAGE, ucp_controller_port=options.DTR_HTTPS_PORT), joining=False)


def test_the_password_has_no_flag_and_is_not_recorded() -> None:
    found = next(each for each in options.OPTIONS if each.key == "ucp_admin_password")
    assert not found.flag
    assert values([found], {}, {"UCP_ADMIN_PASSWORD": "tomato"}) == {"ucp_admin_password": "tomato"}


def test_further_flags_as_words() -> None:
    assert options.further(["pod-cidr=10.1.0.0/16", "debug"]) == ["--pod-cidr=10.1.0.0/16", "--debug"]

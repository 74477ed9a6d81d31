"""Machines of a dinv server, from `login` on: against the real application, with a fleet in memory."""

from __future__ import annotations

import io
import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from engine_certificates import CA, server_context
from engine_server import tcp_server

import dinv
from dinv.cli import main
from dinv.drivers.server import calls, machines
from dinv.errors import (
    DeadlineExceeded,
    InputError,
    MachineNotFound,
    NotLoggedIn,
    NotSupported,
    OptionError,
    ServerRefused,
    ServerUnreachable,
)
from dinv.lifecycle.sharing import share_file
from dinv.server.models import Quota
from dinv.store.login import Login
from dinv.store.store import Store

if TYPE_CHECKING:
    from web_site import Working

    from dinv.machines import Machines


def names(site: Working) -> list[str]:
    found, _ = site.world.fleet.machines(site.world.actors["jane"])
    return [machine.name for machine in found]


def test_a_machine_from_create_to_rm(site: Working, store: Machines) -> None:
    made = store.create("dev", ttl="2h", context=False)
    assert made.config.driver_name == "server"
    assert names(site) == ["dev"]
    key = os.path.join(made.directory, "key.pem")
    assert stat.S_IMODE(os.stat(key).st_mode) == 0o600
    assert made.environment()["DOCKER_TLS_VERIFY"] == "1"
    assert made.lease is not None
    before = made.lease.expires
    assert made.extend("10h") is True
    with store.get("dev") as again:
        assert again.lease is not None
        assert again.lease.expires > before
    assert made.extend("1h") is False
    assert [status.state for status in store.list()] == ["Running"]
    assert b"".join(made.logs(tail=5)) == b"dev says 5 False\n"
    assert next(made.logs(tail=5, follow=True, timeout=60)) == b"dev says 5 True\n"
    with pytest.raises(DeadlineExceeded):
        list(made.logs(tail=5, follow=True, timeout=0.3))
    with pytest.raises(NotSupported, match="tells no times"):
        made.logs(timestamps=True)
    made.stop()
    assert [status.state for status in store.list()] == ["Stopped"]
    made.start()
    assert [status.state for status in store.list()] == ["Running"]
    with open(os.path.join(made.directory, "cert.pem"), "rb") as file:
        first = file.read()
    made.renew_certificates()
    with open(os.path.join(made.directory, "cert.pem"), "rb") as file:
        assert file.read() != first
    made.close()
    store.remove("dev")
    assert names(site) == []
    assert store.names() == []


def test_a_share_is_signed_there_and_its_key_made_here(store: Machines) -> None:
    with store.create("dev", context=False) as made:
        shared = made.share("bo", lifetime="1h")
    found = share_file.read(io.BytesIO(shared.data))
    assert (found.facts["Holder"], found.facts["Machine"]) == ("bo", "dev")
    assert b"PRIVATE KEY" in found.pem["key.pem"]


def test_the_template_is_the_one_that_was_asked_for(site: Working, store: Machines) -> None:
    store.create("dev", template="large", context=False).close()
    assert site.world.fleet.machine(site.world.actors["jane"], "dev").template == "large"


def test_what_the_server_refuses_leaves_nothing(site: Working, store: Machines) -> None:
    site.world.fleet.set_quota(site.world.actors["olga"], Quota("every-user", machines=1))
    store.create("dev", context=False).close()
    with pytest.raises(ServerRefused, match="quota"):
        store.create("two", context=False)
    assert store.names() == ["dev"]
    assert names(site) == ["dev"]
    with pytest.raises(ServerRefused) as error:
        store.create("three", template="none", context=False)
    assert error.value.status == 404


def test_a_create_that_was_killed_is_found_again(
    site: Working, store: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the request, before its answer: the key finds it, and the next create undoes it."""

    class Killed(BaseException):
        pass

    real = machines.ServerMachines.request

    def request(self: Any, **wanted: Any) -> Any:
        real(self, **wanted)
        raise Killed

    with monkeypatch.context() as once:
        once.setattr(machines.ServerMachines, "request", request)
        once.setattr("dinv.lifecycle.remove.unmake", lambda *_, **__: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            store.create("dev", context=False)
    assert names(site) == ["dev"]
    store.remove("dev", force=True)
    assert names(site) == []


@pytest.mark.parametrize("borne", [60.0, 0.0])
def test_a_server_that_is_restarted_while_it_makes_a_machine_is_waited_for(
    site: Working, store: Machines, monkeypatch: pytest.MonkeyPatch, borne: float
) -> None:
    monkeypatch.setattr(machines, "AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(machines, "OUTAGE_SECONDS", borne)
    real, away = machines.ServerMachines.get, [3]

    def get(self: Any, machine: str, **more: Any) -> Any:
        if away[0]:
            away[0] -= 1
            raise ServerUnreachable(site.url, "cannot be reached: nothing listens there", passes=True)
        return real(self, machine, **more)

    monkeypatch.setattr(machines.ServerMachines, "get", get)
    if not borne:
        with pytest.raises(ServerUnreachable):
            store.create("dev", context=False)
    else:
        store.create("dev", context=False).close()
        assert away == [0]


def test_what_a_run_has_left_on_a_server_is_removed_by_the_next_reap(site: Working, store: Machines) -> None:
    with store.create("dev", context=False, ttl="1h") as machine:
        config = machine.config
        config.run = True
        Store(store.path).save(config)
    (done,) = store.reap()
    assert (done.name, done.action, done.why) == ("dev", "removed", "left")
    assert names(site) == []


def test_a_machine_of_the_page_is_taken_up(site: Working, store: Machines) -> None:
    jane = site.world.actors["jane"]
    site.world.fleet.request(jane, name="mine")
    assert store.server.others() == ["mine"]
    with store.get("mine") as taken:
        assert taken.config.driver["Server"] == site.url
    assert store.server.others() == []
    with pytest.raises(MachineNotFound):
        store.get("nobodys")
    assert store.names() == ["mine"]
    # Taking one up makes none, and what undoes it removes none.
    assert names(site) == ["mine"]


def test_one_that_is_gone_there_says_so_and_is_forgotten(site: Working, store: Machines) -> None:
    made = store.create("dev", context=False)
    site.world.fleet.remove(site.world.actors["jane"], "dev")
    while names(site):
        site.world.work()
    assert [status.state for status in store.list()] == ["Error"]
    with pytest.raises(ServerRefused, match="is removed"):
        made.extend("1h")
    made.close()
    store.remove("dev")


@pytest.mark.parametrize("verb", ["upgrade", "provision"])
def test_what_the_server_looks_after_is_not_changed_from_here(store: Machines, verb: str) -> None:
    with (
        store.create("dev", context=False) as made,
        pytest.raises(NotSupported, match="looked after by the dinv server"),
    ):
        getattr(made, verb)()


def test_its_lease_is_a_time_and_nothing_else(store: Machines) -> None:
    with pytest.raises(OptionError, match="what makes the machine decides it"):
        store.create("dev", idle_ttl="1h", context=False)


def test_logging_in_and_out(site: Working, tmp_path: Path) -> None:
    found = dinv.open(str(tmp_path / "other"))
    with pytest.raises(NotLoggedIn):
        found.server.log_in(site.url, token="dinv_nobody")
    with pytest.raises(InputError, match="not logged in to one"):
        found.create("dev", driver="server", context=False)
    login = found.server.log_in(site.url, token=site.world.token("jane"))
    assert login.person == "jane"
    path = tmp_path / "other" / "login.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text())["URL"] == site.url
    assert found.server.log_out() == (site.url, "")
    again = dinv.open(str(tmp_path / "other"))
    with pytest.raises(NotLoggedIn):  # it is revoked there
        again.server.log_in(site.url, token=login.token)
    assert not path.exists()
    assert found.server.log_out() == ("", "")


def test_logging_in_by_a_browser(site: Working, tmp_path: Path) -> None:
    shown: list[tuple[str, str]] = []

    def show(address: str, code: str) -> None:
        shown.append((address, code))
        site.world.people.device_decide(site.world.actors["jane"], code, allow=True)

    found = dinv.open(str(tmp_path / "other"))
    assert found.server.log_in(site.url, show=show).person == "jane"
    ((address, code),) = shown
    assert address == f"{site.url}/device?code={code}"


def test_a_token_from_a_file_or_a_variable(
    site: Working, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text(site.world.token("jane") + "\n")
    found = dinv.open(str(tmp_path / "other"))
    assert found.server.log_in(site.url, token_file=str(tmp_path / "token")).person == "jane"
    monkeypatch.setenv("DINV_TOKEN", site.world.token("olga"))
    assert found.server.log_in(site.url).person == "olga"


@pytest.mark.parametrize(
    "url",
    ["http://dinv.example.com", "https://jane:secret@dinv.example.com", "ftp://x", "https://", "https://x/y"],
)
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(OptionError) as error:
        calls.Calls(url)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("dinv.example.com", "https://dinv.example.com"),
        ("HTTPS://Dinv.Example.com:443", "https://dinv.example.com"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_how_a_url_is_recorded(url: str, said: str) -> None:
    assert calls.canonical(url) == said


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    found = dinv.open(str(tmp_path))
    Login("http://127.0.0.1:1", "dinv_x").save(str(tmp_path))
    with pytest.raises(ServerUnreachable, match=r"nothing listens there.*See whether it is up"):
        found.create("dev", context=False)
    assert found.names() == []
    assert found.server.others() == []


def test_a_server_whose_ca_is_another_now(tmp_path: Path) -> None:
    """As after a server was made anew: it is said, and that a fingerprint is to be compared."""
    ca, other = CA(tmp_path), CA(tmp_path, "other")
    known, new = (Path(each.path).read_text() for each in (ca, other))
    found = dinv.open(str(tmp_path / "store"))
    with tcp_server(lambda _peer: None, context=server_context(other.issue("server"), None)) as port:
        url = f"https://127.0.0.1:{port}"
        Login(url, "dinv_x", ca=known).save(str(tmp_path / "store"))
        with pytest.raises(ServerUnreachable) as caught:
            found.create("dev", context=False)
    assert "by another CA than the one given." in str(caught.value)
    assert f"compare the fingerprint with what its operators tell: dinv login {url}" in str(caught.value)
    assert found.server.has_changed(url, new)
    assert not found.server.has_changed(url, known)
    assert not found.server.has_changed("https://127.0.0.2", new)


def test_one_that_is_forgotten_by_force_is_said_to_be_on_the_server(
    site: Working, store: Machines, tmp_path: Path
) -> None:
    store.create("dev", context=False).close()
    Login("http://127.0.0.1:1", "dinv_x").save(str(tmp_path / "store"))
    left = store.remove("dev", force=True)
    assert "this store is logged in to another one" in left[0]
    assert left[1].startswith(f"If the machine is still on {site.url}, remove it on its page")


def test_another_login_says_that_the_one_before_is_forgotten(
    site: Working, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MACHINE_STORAGE_PATH", str(tmp_path))
    monkeypatch.setenv("DINV_TOKEN", site.world.token("jane"))
    assert main(["login", site.url]) == 0
    assert "is forgotten" not in capsys.readouterr().err
    Login("https://other.example.com", "dinv_x").save(str(tmp_path))
    assert main(["login", site.url]) == 0
    assert "The login to https://other.example.com is forgotten" in capsys.readouterr().err

"""Which endpoint: the order in which it is looked for, and everything that is passed over on the way."""

from __future__ import annotations

import json
import os
import pathlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.drivers.machine_urls import machine_at, machine_urls
from dinv.endpoints import contexts
from dinv.endpoints import resolve as resolving
from dinv.endpoints.resolve import Endpoint, local_engine_socket, resolve
from dinv.engine import TLSFiles
from dinv.engine.wire.transport import DEFAULT_SOCKET
from dinv.errors import EndpointError, EndpointUnreachable, InputError, NoEndpoint
from dinv.store.record import MachineConfig
from dinv.store.store import Store
from dinv.system import docker_config

if TYPE_CHECKING:
    from pathlib import Path

MACHINE_URL = "tcp://127.0.0.1:23761"
RUNTIME = "/run/user/0-of-this-test"


@pytest.fixture(autouse=True)
def answering(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The sockets on which a Docker API answers; no other one of this computer is looked at."""
    found: set[str] = set()

    def probe(_endpoint: Endpoint, path: str, _trace: object) -> str:
        return "" if path in found else "no such socket"

    monkeypatch.setattr(resolving, "_probe", probe)
    return found


def add_machine(store: Store, name: str, url: str) -> MachineConfig:
    config = MachineConfig.new(
        name=name, store_path=store.path, driver_name="docker", identity="x", created="now"
    )
    config.driver["URL"] = url
    with store.claim(name, "creating it"):
        store.save(config)
    return config


def add_context(name: str, host: str, *, tls: bool = False) -> None:
    pem = b"PEM"
    contexts.write(name, host=host, description="", owner="me", ca=pem, cert=pem, key=pem)
    if not tls:
        found = contexts.read(name)
        assert found is not None
        for path in (found.ca, found.cert, found.key):
            assert path is not None
            os.unlink(path)


def use_context(name: str) -> None:
    directory = docker_config.directory()
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "config.json"), "w", encoding="utf-8") as file:
        json.dump({"currentContext": name}, file)


def certificates(directory: Path, *names: str) -> str:
    directory.mkdir(parents=True)
    for name in names:
        (directory / f"{name}.pem").write_text("PEM")
    return str(directory)


def look(store: Store, named: str | None = None, **environ: str) -> tuple[Endpoint, list[str]]:
    notes: list[str] = []
    return resolve(named, store, machine_urls=machine_urls, note=notes.append, environ=environ), notes


# The order


def test_the_whole_order(store: Store, answering: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is taken as long as it is there; taken away one after the other, the next one follows."""
    monkeypatch.setenv("HOME", os.path.join(store.path, "home"))
    add_context("chosen", "tcp://chosen:2375")
    add_context("current", "tcp://current:2375")
    use_context("current")
    sockets = [
        DEFAULT_SOCKET,
        f"{RUNTIME}/docker.sock",
        "/run/podman/podman.sock",
        f"{RUNTIME}/podman/podman.sock",
        local_engine_socket(store),
    ]
    answering.update(sockets)
    environ = {"DOCKER_HOST": "tcp://host:2375", "DOCKER_CONTEXT": "chosen", "XDG_RUNTIME_DIR": RUNTIME}
    assert look(store, "tcp://named:2375", **environ)[0].url == "tcp://named:2375"
    assert look(store, **environ)[0].url == "tcp://host:2375"
    del environ["DOCKER_HOST"]
    assert look(store, **environ)[0].url == "tcp://chosen:2375"
    del environ["DOCKER_CONTEXT"]
    assert look(store, **environ)[0].url == "tcp://current:2375"
    use_context("default")
    for socket in sockets:
        assert look(store, **environ)[0].url == f"unix://{socket}"
        answering.remove(socket)
    with pytest.raises(NoEndpoint) as caught:
        look(store, **environ)
    assert [what for what, _ in caught.value.tried] == [f"unix://{socket}" for socket in sockets]
    assert "dinv engine start" in str(caught.value)


def test_sockets_are_probed_for_an_api_that_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the real probe
    store = Store(str(tmp_path / "store"))
    dead = tmp_path / "docker.sock"
    dead.write_text("no socket at all")
    absent = tmp_path / "absent.sock"
    monkeypatch.setattr(resolving, "_sockets", lambda _store, _environ: [str(dead), str(absent)])
    monkeypatch.setattr(contexts, "current", lambda: "default")
    with pytest.raises(NoEndpoint) as caught:
        look(store)
    (first, said), (second, nothing) = caught.value.tried
    assert (first, second) == (f"unix://{dead}", f"unix://{absent}")
    assert said
    assert "no such socket" in nothing


def test_an_endpoint_that_cannot_be_reached_says_who_named_it(store: Store) -> None:
    nowhere = "unix:///nowhere.sock"
    for environ, named, by in (
        ({"DOCKER_HOST": nowhere}, None, "DOCKER_HOST"),
        ({"DINV_ENDPOINT": nowhere}, nowhere, "DINV_ENDPOINT"),
        ({}, nowhere, ""),
    ):
        found, _ = look(store, named, **environ)
        with pytest.raises(EndpointUnreachable) as failed, found.engine() as engine:
            engine.ping()
        notes = getattr(failed.value, "__notes__", [])
        assert notes == ([f"The endpoint is from {by}. Another one is named with endpoint."] if by else [])
    with pytest.raises(InputError) as wrong:
        look(store, DOCKER_HOST="foo://x")[0].engine()
    assert "DOCKER_HOST" in wrong.value.__notes__[0]


def test_what_somebody_named_is_not_probed(store: Store) -> None:
    found, notes = look(store, "unix:///nowhere.sock")
    assert (found.url, found.source, notes) == ("unix:///nowhere.sock", "--endpoint", [])
    with pytest.raises(EndpointUnreachable), found.engine() as engine:
        engine.ping()


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("/run/d.sock", "unix:///run/d.sock"),
        ("unix:///run/d.sock", "unix:///run/d.sock"),
        ("host:2375", "tcp://host:2375"),
        ("tcp://host:2375", "tcp://host:2375"),
        ("ssh://me@host", "ssh://me@host"),
        ("default", f"unix://{DEFAULT_SOCKET}"),
    ],
)
def test_addresses_as_people_type_them(store: Store, typed: str, url: str) -> None:
    assert look(store, typed)[0].url == url


@pytest.mark.parametrize(
    ("said", "url"),
    [
        ("host", "tcp://host"),
        (" tcp://host:2375\n", "tcp://host:2375"),
        ("TCP://host:2375", "tcp://host:2375"),
        (":2375", "tcp://:2375"),
        ("/run/d.sock", "unix:///run/d.sock"),
        ("unix://", "unix://"),
        ("unix://d.sock", f"unix://{os.getcwd()}/d.sock"),
        ("tcp://host:2375/docker", "tcp://host:2375/docker"),
    ],
)
def test_addresses_as_docker_host_has_them(store: Store, said: str, url: str) -> None:
    found, _ = look(store, DOCKER_HOST=said)
    assert (found.url, found.source) == (url, "DOCKER_HOST")


@pytest.mark.parametrize("said", ["unix:/run/d.sock", "npipe:////./pipe/docker_engine", "fd://", "a b"])
def test_an_address_that_is_none_is_an_error_when_it_is_used(store: Store, said: str) -> None:
    with pytest.raises(InputError, match="is not an address of a Docker endpoint"):
        look(store, DOCKER_HOST=said)[0].engine()


@pytest.mark.parametrize("said", ["", "  "])
def test_an_empty_docker_host_is_none(store: Store, answering: set[str], said: str) -> None:
    answering.add(DEFAULT_SOCKET)
    assert look(store, said)[0].url == f"unix://{DEFAULT_SOCKET}"
    assert look(store, DOCKER_HOST=said)[0].url == f"unix://{DEFAULT_SOCKET}"


def test_default_is_what_docker_uses_without_a_context(store: Store) -> None:
    assert look(store, "default", DOCKER_HOST="tcp://host:1")[0].url == "tcp://host:1"
    add_machine(store, "dev", MACHINE_URL)
    assert look(store, "default", DOCKER_HOST=MACHINE_URL)[0].url == f"unix://{DEFAULT_SOCKET}"


def test_a_current_context_that_is_not_there_is_said(store: Store, answering: set[str]) -> None:
    answering.add(DEFAULT_SOCKET)
    use_context("lab")
    found, notes = look(store)
    assert found.url == f"unix://{DEFAULT_SOCKET}"
    assert "docker context lab" in notes[0]


@pytest.mark.parametrize(
    ("said", "version"),
    [("", "1.47"), ("1.30", "1.30"), ("v1.30", "1.30"), ("1.99", "1.47"), ("1.12", "1.47"), ("x", "1.47")],
)
def test_the_variable_of_the_api_version_is_a_limit(
    monkeypatch: pytest.MonkeyPatch, said: str, version: str
) -> None:
    monkeypatch.setenv("DOCKER_API_VERSION", said)
    assert Endpoint("tcp://h:1").engine()._max_api_version == version


def test_a_word_is_a_contexts_name(store: Store) -> None:
    add_context("lab", "ssh://me@lab")
    found, _ = look(store, "lab")
    assert (found.url, found.context) == ("ssh://me@lab", "lab")
    with pytest.raises(InputError, match="docker context"):
        look(store, "lob")


def test_a_context_without_an_endpoint_is_an_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contexts, "read", lambda name: contexts.Context(name, host=""))
    with pytest.raises(EndpointError, match="lab"):
        look(store, "lab")


# Machines are passed over


@pytest.mark.parametrize(
    "host",
    [
        MACHINE_URL,
        "tcp://localhost:23761",
        "tcp://LOCALHOST:23761",
        "127.0.0.1:23761",
        "tcp://127.0.0.1:23761/",
    ],
)
def test_a_machine_in_docker_host_is_passed_over(store: Store, answering: set[str], host: str) -> None:
    config = add_machine(store, "dev", MACHINE_URL)
    answering.add(DEFAULT_SOCKET)
    environ = {
        "DOCKER_HOST": host,
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": config.directory,
        "DOCKER_MACHINE_NAME": "dev",
    }
    found, notes = look(store, **environ)
    assert (found.url, found.tls) == (f"unix://{DEFAULT_SOCKET}", None)
    assert len(notes) == 1
    assert "DOCKER_HOST" in notes[0]
    assert "dev" in notes[0]


def test_another_port_of_the_same_host_is_no_machine(store: Store) -> None:
    add_machine(store, "dev", MACHINE_URL)
    assert look(store, DOCKER_HOST="tcp://127.0.0.1:2376")[0].url == "tcp://127.0.0.1:2376"


def test_a_machine_in_docker_host_does_not_hide_the_context(store: Store) -> None:
    add_machine(store, "dev", MACHINE_URL)
    add_context("lab", "tcp://lab:2375")
    use_context("lab")
    assert look(store, DOCKER_HOST=MACHINE_URL)[0].context == "lab"


@pytest.mark.parametrize("chosen", [True, False])
def test_a_machines_context_is_passed_over(store: Store, answering: set[str], *, chosen: bool) -> None:
    add_machine(store, "dev", MACHINE_URL)
    add_context("dev", MACHINE_URL, tls=True)
    answering.add(DEFAULT_SOCKET)
    if not chosen:
        use_context("dev")
    found, notes = look(store, **({"DOCKER_CONTEXT": "dev"} if chosen else {}))
    assert found.url == f"unix://{DEFAULT_SOCKET}"
    assert len(notes) == 1
    assert "dev" in notes[0]


def test_all_that_was_passed_over_is_in_the_error(store: Store) -> None:
    add_machine(store, "dev", MACHINE_URL)
    add_context("dev", MACHINE_URL)
    with pytest.raises(NoEndpoint) as caught:
        look(store, DOCKER_HOST=MACHINE_URL, DOCKER_CONTEXT="dev")
    assert str(caught.value).count("points at machine dev") == 2


def test_a_machine_that_cannot_be_read_is_in_nobodys_way(store: Store) -> None:
    os.makedirs(store.directory("spoilt"))
    assert look(store, DOCKER_HOST="tcp://h:1")[0].url == "tcp://h:1"


def test_a_context_that_is_not_there_is_in_the_error(store: Store) -> None:
    """As of the docker CLI: somebody named it, so no other endpoint is what they mean."""
    with pytest.raises(InputError, match="DOCKER_CONTEXT names no docker context: nosuch"):
        look(store, DOCKER_CONTEXT="nosuch")


# TLS


def test_the_variables_of_the_docker_cli_turn_tls_on(store: Store, tmp_path: Path) -> None:
    """Any value of DOCKER_TLS_VERIFY does, "0" too; without one DOCKER_CERT_PATH means nothing."""
    path = certificates(tmp_path / "certs", "ca", "cert", "key")
    environ = {"DOCKER_HOST": "tcp://h:2376", "DOCKER_CERT_PATH": path}
    assert look(store, **environ)[0].tls is None
    assert look(store, **environ, DOCKER_TLS_VERIFY="")[0].tls is None
    for value in ("1", "0", "no"):
        tls = look(store, **environ, DOCKER_TLS_VERIFY=value)[0].tls
        assert tls is not None
        assert (tls.ca, tls.verify) == (os.path.join(path, "ca.pem"), True)
    unverified = look(store, **environ, DOCKER_TLS="1")[0].tls
    assert unverified is not None
    assert not unverified.verify


def test_the_home_directory_is_the_default_place_of_certificates(store: Store) -> None:
    path = certificates(pathlib.Path.home() / ".docker", "ca", "cert", "key")
    tls = look(store, DOCKER_HOST="tcp://h:2376", DOCKER_TLS_VERIFY="1")[0].tls
    assert tls is not None
    assert tls.cert == os.path.join(path, "cert.pem")


def test_the_variables_are_for_addresses_that_have_tls(store: Store) -> None:
    """Where docker's CLI wants certificates for a socket, too, which is of no use to anybody."""
    environ = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/nosuch"}
    for host in ("unix:///run/d.sock", "ssh://h"):
        assert look(store, DOCKER_HOST=host, **environ)[0].tls is None
        assert look(store, host, **environ)[0].tls is None
    for host in ("https://h:1", "http://h:1", "h:1"):
        with pytest.raises(InputError, match="nosuch"):
            look(store, host, **environ)


@pytest.mark.parametrize("named", [None, "tcp://h:2376"])
def test_a_machines_certificates_say_nothing_about_an_endpoint(store: Store, named: str | None) -> None:
    config = add_machine(store, "dev", MACHINE_URL)
    environ = {"DOCKER_HOST": "tcp://h:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": config.directory}
    assert look(store, named, **environ)[0].tls is None


def test_a_machine_of_docker_machine_s_is_not_an_endpoint_either(store: Store) -> None:
    """Its driver alone knows where it listens: docker-machine records an address, and no URL."""
    os.makedirs(store.directory("vm"))
    document = {
        "ConfigVersion": 3,
        "Driver": {"IPAddress": "192.168.99.100"},
        "DriverName": "virtualbox",
        "HostOptions": {},
    }
    with open(os.path.join(store.directory("vm"), "config.json"), "w", encoding="utf-8") as file:
        json.dump(document, file)
    assert machine_at(store, "tcp://192.168.99.100:2376") == "vm"
    with pytest.raises(NoEndpoint):
        look(store, DOCKER_HOST="tcp://192.168.99.100:2376")


def test_a_named_endpoint_has_its_own_certificates(store: Store, tmp_path: Path) -> None:
    path = certificates(tmp_path / "certs", "ca", "cert", "key")
    found = resolve("tcp://h:2376", store, machine_urls=machine_urls, cert_path=path, environ={})
    assert found.tls is not None
    assert found.tls.key == os.path.join(path, "key.pem")
    for other in ("unix:///run/d.sock", "ssh://h"):
        with pytest.raises(InputError, match="cert_path"):
            resolve(other, store, machine_urls=machine_urls, cert_path=path, environ={})


@pytest.mark.parametrize("names", [(), ("ca", "cert"), ("ca", "key"), ("cert", "key")])
def test_certificates_that_are_not_complete_are_an_error(
    store: Store, tmp_path: Path, names: tuple[str, ...]
) -> None:
    path = certificates(tmp_path / "certs", *names)
    with pytest.raises(InputError, match="certs"):
        resolve("tcp://h:2376", store, machine_urls=machine_urls, cert_path=path, environ={})


def test_no_directory_of_certificates_is_an_error(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nosuch"):
        look(store, DOCKER_HOST="tcp://h:1", DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=str(tmp_path / "nosuch"))


def test_a_context_brings_its_certificates(store: Store) -> None:
    add_context("lab", "tcp://lab:2376", tls=True)
    tls = look(store, "lab")[0].tls
    assert tls is not None
    assert tls.ca is not None
    assert os.path.exists(tls.ca)
    assert tls.verify


# What a machine's record keeps


@pytest.mark.parametrize("tls", [None, TLSFiles("/a", "/b", "/c"), TLSFiles(None, "/b", "/c", verify=False)])
def test_what_was_recorded_is_read_again(tls: TLSFiles | None) -> None:
    record = json.loads(json.dumps(Endpoint("tcp://h:2376", tls=tls).record()))
    again = Endpoint.recorded(record)
    assert again.url == "tcp://h:2376"
    assert again.record() == record


def test_a_context_is_read_anew_as_long_as_it_is_there(store: Store) -> None:
    add_context("lab", "tcp://old:2375")
    record = look(store, "lab")[0].record()
    contexts.remove("lab", "me")
    assert (Endpoint.recorded(record).url, Endpoint.recorded(record).context) == ("tcp://old:2375", "lab")
    add_context("lab", "tcp://new:2375")
    assert Endpoint.recorded(record).url == "tcp://new:2375"


# The options that name it again


def test_it_is_named_again_by_options(store: Store, tmp_path: Path) -> None:
    add_context("lab", "tcp://lab:2376", tls=True)
    assert look(store, DOCKER_CONTEXT="lab")[0].options() == {"endpoint": "lab"}
    assert look(store, DOCKER_HOST="unix:///x.sock")[0].options() == {"endpoint": "unix:///x.sock"}
    keys = certificates(tmp_path / "keys", "ca", "cert", "key")
    said = {"DOCKER_HOST": "h:1", "DOCKER_CERT_PATH": keys}
    found = look(store, DOCKER_TLS_VERIFY="1", **said)[0]
    assert found.options() == {"endpoint": "tcp://h:1", "endpoint_cert_path": keys}
    again = resolve("tcp://h:1", store, machine_urls=machine_urls, cert_path=keys, environ={})
    assert again.record() == found.record()
    with pytest.raises(InputError, match="docker context create"):
        look(store, DOCKER_TLS="1", **said)[0].options()


def test_a_file_of_vic_machine_s_is_named_by_its_whole_path(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates(tmp_path / "vch1", "ca", "cert", "key")
    file = tmp_path / "vch1" / "vch1.env"
    file.write_text(f"DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH={tmp_path / 'vch1'} DOCKER_HOST=1.2.3.4:2376\n")
    monkeypatch.chdir(tmp_path)
    for named in ("vch1", "vch1/vch1.env"):
        assert look(store, named)[0].options() == {"endpoint": str(file)}


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)


@given(
    record=JSON
    | st.fixed_dictionaries(
        {"URL": JSON},
        optional={
            "Context": st.just(""),
            "TLS": JSON | st.dictionaries(st.sampled_from(["CA", "Verify"]), JSON),
        },
    )
)
def test_any_record_is_an_endpoint_or_an_endpoint_error(record: Any) -> None:
    """It is the user's file, after all: what is in it must not end in a traceback."""
    if isinstance(record, dict):
        record.pop("Context", None)
    try:
        found = Endpoint.recorded(record)
    except EndpointError:
        return
    assert isinstance(found.url, str)


# Our own engine's socket


def test_the_local_engines_socket_is_in_the_store(store: Store) -> None:
    assert local_engine_socket(Store("/s")) == "/s/engine/docker.sock"


def test_a_long_path_gives_way_to_a_short_one_of_its_own() -> None:
    long, other = Store("/" + "x" * 100), Store("/" + "y" * 100)
    sockets = {local_engine_socket(long), local_engine_socket(other)}
    assert len(sockets) == 2
    assert all(len(os.fsencode(path)) <= 107 for path in sockets)
    assert local_engine_socket(long) in sockets


def test_an_own_engine_that_is_not_running_is_named(tmp_path: Path) -> None:
    directory = tmp_path / "engine"
    directory.mkdir()
    (directory / "daemon.json").write_text("{}")
    with (
        Endpoint(f"unix://{directory}/docker.sock").engine() as engine,
        pytest.raises(EndpointUnreachable, match=f"Start it: sudo dinv -s {tmp_path} engine start"),
    ):
        engine.ping()
    with (
        Endpoint(f"unix://{tmp_path}/docker.sock").engine() as engine,
        pytest.raises(EndpointUnreachable, match="no such socket"),
    ):
        engine.ping()

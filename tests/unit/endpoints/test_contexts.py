"""Docker contexts: read, written, removed; and what the docker CLI makes of them."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import needs
import pytest
from fresh_python import modules_after
from hypothesis import given
from hypothesis import strategies as st

from dinv.authorities.local import LocalAuthority
from dinv.endpoints import contexts
from dinv.errors import ContextError, ContextTaken
from dinv.labels import CONTEXT_OWNER
from dinv.pki import certificates
from dinv.system import docker_config
from kills import killed_at_rename

NAMES = st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9_.+-]+", fullmatch=True).filter(lambda name: name != "default")
PLACE = {"ca": b"CA", "cert": b"CERT", "key": b"KEY"}


def write(directory: Path, name: str = "dev", owner: str = "store/dev", **more: Any) -> None:
    settings: dict[str, Any] = {
        "host": "tcp://127.0.0.1:2376",
        "description": "made by dinv",
        **PLACE,
        **more,
    }
    contexts.write(name, owner=owner, config_dir=str(directory), **settings)


def meta(directory: Path, name: str = "dev") -> Path:
    return directory / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"


def tls(directory: Path, name: str = "dev") -> Path:
    return directory / "contexts" / "tls" / hashlib.sha256(name.encode()).hexdigest()


def make_foreign(directory: Path, name: str = "dev", content: bytes | None = None) -> bytes:
    path = meta(directory, name)
    path.parent.mkdir(parents=True)
    if content is None:
        content = json.dumps(
            {
                "Name": name,
                "Metadata": {"Description": "mine"},
                "Endpoints": {"docker": {"Host": "ssh://me@host", "SkipTLSVerify": False}},
            }
        ).encode()
    path.write_bytes(content)
    return content


def files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if not path.is_dir())


# --- where ------------------------------------------------------------------------------------------------


def test_the_directory_is_the_docker_clis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    assert docker_config.directory() == "/home/me/.docker"
    monkeypatch.setenv("DOCKER_CONFIG", "")
    assert docker_config.directory() == "/home/me/.docker"
    monkeypatch.setenv("DOCKER_CONFIG", "/elsewhere")
    assert docker_config.directory() == "/elsewhere"
    assert docker_config.directory("/given") == "/given"


def test_reading_loads_little() -> None:
    loaded = modules_after(
        "from dinv.endpoints import contexts; contexts.current('/missing'); contexts.read('dev', '/missing')"
    )
    assert not {"cryptography", "typing", "pathlib", "shutil", "dataclasses", "dinv.staging"} & loaded


# --- current ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"currentContext": "dev"}', "dev"),
        (b'{"currentContext": ""}', "default"),
        (b'{"currentContext": 3}', "default"),
        (b"{}", "default"),
        (b"[]", "default"),
        (b"", "default"),
        (b"\xff", "default"),
        (b"[" * 200_000, "default"),
        (None, "default"),
    ],
)
def test_current(tmp_path: Path, content: bytes | None, expected: str) -> None:
    if content is not None:
        (tmp_path / "config.json").write_bytes(content)
    assert contexts.current(str(tmp_path)) == expected


# --- read -------------------------------------------------------------------------------------------------


def test_a_context_of_the_docker_cli(tmp_path: Path) -> None:
    make_foreign(tmp_path)
    found = contexts.read("dev", str(tmp_path))
    assert found is not None
    assert (found.name, found.host, found.description, found.owner) == ("dev", "ssh://me@host", "mine", "")
    assert (found.ca, found.cert, found.key, found.skip_tls_verify) == (None, None, None, False)
    assert found.metadata == {"Description": "mine"}


def test_a_context_with_only_a_ca_that_skips_verification(tmp_path: Path) -> None:
    make_foreign(
        tmp_path, content=b'{"Name":"dev","Endpoints":{"docker":{"Host":"tcp://h:1","SkipTLSVerify":true}}}'
    )
    (tls(tmp_path) / "docker").mkdir(parents=True)
    (tls(tmp_path) / "docker" / "ca.pem").touch()
    found = contexts.read("dev", str(tmp_path))
    assert found is not None
    assert found.skip_tls_verify
    assert (found.ca, found.cert, found.key) == (str(tls(tmp_path) / "docker" / "ca.pem"), None, None)


@pytest.mark.parametrize("name", ["dev", "default", "", "../..", "a\0b", "\udcff"])
def test_a_context_that_is_not_there(tmp_path: Path, name: str) -> None:
    assert contexts.read(name, str(tmp_path)) is None
    assert contexts.read(name, str(tmp_path / "missing")) is None


BROKEN = [b"", b"[]", b"{", b"\xff\xfe", b"[" * 200_000]
ODD = [
    b"{}",
    b'{"Metadata": 3, "Endpoints": []}',
    b'{"Endpoints": {"docker": {"Host": 1}}, "Metadata": {"Description": []}}',
]


@pytest.mark.parametrize("content", BROKEN)
def test_a_broken_one_is_an_error_of_contexts(tmp_path: Path, content: bytes) -> None:
    make_foreign(tmp_path, content=content)
    with pytest.raises(ContextError, match=r'context "dev" cannot be read: .*meta\.json'):
        contexts.read("dev", str(tmp_path))


@pytest.mark.parametrize("content", ODD)
def test_an_odd_one_has_no_host(tmp_path: Path, content: bytes) -> None:
    make_foreign(tmp_path, content=content)
    found = contexts.read("dev", str(tmp_path))
    assert found is not None
    assert (found.host, found.description, found.owner, found.skip_tls_verify) == ("", "", "", False)


def test_one_that_cannot_be_read(tmp_path: Path) -> None:
    meta(tmp_path).mkdir(parents=True)
    with pytest.raises(ContextError, match="Is a directory"):
        contexts.read("dev", str(tmp_path))


# --- write ------------------------------------------------------------------------------------------------


@given(
    name=NAMES,
    host=st.text(max_size=40),
    description=st.text(max_size=40),
    owner=st.text(min_size=1, max_size=40),
    key=st.binary(max_size=40),
)
def test_what_is_written_is_read(name: str, host: str, description: str, owner: str, key: bytes) -> None:
    with TemporaryDirectory() as directory:
        place = Path(directory)
        write(place, name, owner, host=host, description=description, key=key)
        found = contexts.read(name, directory)
        assert found is not None
        assert (found.name, found.host, found.description, found.owner) == (name, host, description, owner)
        assert found.ca is not None
        assert found.cert is not None
        assert found.key is not None
        assert [Path(path).read_bytes() for path in (found.ca, found.cert, found.key)] == [
            b"CA",
            b"CERT",
            key,
        ]
        assert contexts.remove(name, owner, directory)
        assert files(place) == []


def test_modes(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        write(tmp_path / "docker")
    finally:
        os.umask(old)
    found = {
        str(path.relative_to(tmp_path)): stat.S_IMODE(path.stat().st_mode)
        for path in tmp_path.rglob("*")
        if path != tmp_path
    }
    assert set(found.values()) == {0o600, 0o700}
    assert [path for path in found if path.endswith((".pem", ".json"))] == [
        path for path, mode in found.items() if mode == 0o600
    ]
    assert len(files(tmp_path)) == 4


def test_ones_own_is_brought_up_to_date(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, host="tcp://127.0.0.1:9", key=b"NEW")
    found = contexts.read("dev", str(tmp_path))
    assert found is not None
    assert found.host == "tcp://127.0.0.1:9"
    assert (tls(tmp_path) / "docker" / "key.pem").read_bytes() == b"NEW"


@pytest.mark.parametrize("content", [None, *BROKEN, *ODD])
def test_another_ones_is_never_touched(tmp_path: Path, content: bytes | None) -> None:
    before = make_foreign(tmp_path, content=content)
    (tls(tmp_path) / "docker").mkdir(parents=True)
    (tls(tmp_path) / "docker" / "key.pem").write_bytes(b"THEIRS")
    with pytest.raises(ContextTaken, match=r'docker context "dev" already.*docker context rm dev') as caught:
        write(tmp_path)
    assert (caught.value.name, caught.value.path) == ("dev", str(meta(tmp_path)))
    assert contexts.remove("dev", "store/dev", str(tmp_path)) is False
    assert meta(tmp_path).read_bytes() == before
    assert (tls(tmp_path) / "docker" / "key.pem").read_bytes() == b"THEIRS"
    assert len(files(tmp_path)) == 2


def test_that_of_another_store_is_never_touched(tmp_path: Path) -> None:
    write(tmp_path, owner="other-store/dev")
    with pytest.raises(ContextTaken):
        write(tmp_path, owner="store/dev")
    assert not contexts.remove("dev", "store/dev", str(tmp_path))
    assert not contexts.remove("dev", "", str(tmp_path))
    assert contexts.read("dev", str(tmp_path)) is not None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a", "two characters"),
        ("default", "reserved"),
        ("-a", "first"),
        ("a b", "wants"),
        ("ab\n", "wants"),
        ("", "wants"),
    ],
)
def test_names_that_docker_does_not_take(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(ContextError, match=reason):
        write(tmp_path, name)
    assert os.listdir(tmp_path) == []


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "docker").write_bytes(b"a file")
    with pytest.raises(ContextError, match=r"cannot be written: .*Not a directory"):
        write(tmp_path / "docker")


@needs.programs("docker")
@pytest.mark.parametrize("failing", range(5))
def test_a_kill_in_the_middle(tmp_path: Path, failing: int) -> None:
    """Nothing is a context before it is complete; both a later write and a later remove cope."""
    with killed_at_rename(failing):
        if failing < 4:
            with pytest.raises(ContextError, match="killed"):
                write(tmp_path)
    if failing < 4:
        assert contexts.read("dev", str(tmp_path)) is None
        assert docker(tmp_path, "context", "ls", "-q") == ["default"]
    else:
        write(tmp_path)
        assert docker(tmp_path, "context", "ls", "-q") == ["default", "dev"]
    assert {path.name for path in (tls(tmp_path) / "docker").iterdir()} <= {"ca.pem", "cert.pem", "key.pem"}
    write(tmp_path, owner="store/dev")
    assert len(files(tmp_path)) == 4
    assert contexts.remove("dev", "store/dev", str(tmp_path))
    assert files(tmp_path) == []


def test_remove_clears_away_what_a_killed_write_left(tmp_path: Path) -> None:
    write(tmp_path)
    meta(tmp_path).unlink()
    assert contexts.remove("dev", "store/dev", str(tmp_path))
    assert not tls(tmp_path).exists()
    assert not meta(tmp_path).parent.exists()
    assert not contexts.remove("dev", "store/dev", str(tmp_path))


def test_remove_clears_away_an_empty_meta_directory(tmp_path: Path) -> None:
    """A write makes it first: killed there, it leaves nothing else."""
    meta(tmp_path).parent.mkdir(parents=True)
    assert contexts.remove("dev", "store/dev", str(tmp_path))
    assert not meta(tmp_path).parent.exists()


# --- remove and the current context -----------------------------------------------------------------------


def configure(directory: Path, document: object) -> Path:
    path = directory / "config.json"
    path.write_text(json.dumps(document, indent="\t", ensure_ascii=False))
    return path


def test_removing_the_current_context_changes_nothing_else(tmp_path: Path) -> None:
    write(tmp_path)
    document = {
        "auths": {"r": {"auth": "x"}},
        "currentContext": "dev",
        "x": "ü",
        "psFormat": "{{.ID}}",
        "n": 1.5,
    }
    path = configure(tmp_path, document)
    path.chmod(0o640)
    contexts.remove("dev", "store/dev", str(tmp_path))
    del document["currentContext"]
    assert path.read_text() == json.dumps(document, indent="\t", ensure_ascii=False)
    assert list(json.loads(path.read_text())) == list(document)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert files(tmp_path) == ["config.json"]


def test_config_json_may_be_a_link(tmp_path: Path) -> None:
    directory, dotfiles = tmp_path / "docker", tmp_path / "dotfiles"
    dotfiles.mkdir()
    write(directory)
    real = configure(dotfiles, {"currentContext": "dev", "a": 1})
    (directory / "config.json").symlink_to("../dotfiles/config.json")
    contexts.remove("dev", "store/dev", str(directory))
    assert (directory / "config.json").is_symlink()
    assert json.loads(real.read_text()) == {"a": 1}
    assert os.listdir(dotfiles) == ["config.json"]


@pytest.mark.parametrize("content", [b'{ "currentContext" :"prod"}', b"{", b"[]"])
def test_another_config_json_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    write(tmp_path)
    (tmp_path / "config.json").write_bytes(content)
    before = (tmp_path / "config.json").stat()
    assert contexts.remove("dev", "store/dev", str(tmp_path))
    assert (tmp_path / "config.json").read_bytes() == content
    assert (tmp_path / "config.json").stat().st_ino == before.st_ino


def test_the_current_context_stays_when_it_is_not_ours(tmp_path: Path) -> None:
    make_foreign(tmp_path)
    path = configure(tmp_path, {"currentContext": "dev"})
    assert not contexts.remove("dev", "store/dev", str(tmp_path))
    assert contexts.current(str(tmp_path)) == "dev"
    assert path.exists()


def test_the_owner_of_config_json_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    path = configure(tmp_path, {"currentContext": "dev"})
    owners: list[tuple[str, int, int]] = []
    monkeypatch.setattr(os, "chown", lambda *arguments: owners.append(arguments))
    contexts.remove("dev", "store/dev", str(tmp_path))
    assert owners == [(os.path.realpath(path), os.getuid(), os.getgid())]


# --- what the docker CLI says -----------------------------------------------------------------------------


def docker(directory: Path, *arguments: str) -> list[str]:
    done = subprocess.run(
        ["docker", *arguments],
        env={"PATH": os.environ["PATH"], "HOME": str(directory), "DOCKER_CONFIG": str(directory)},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == "" or done.stderr.startswith(("Successfully", "Current context", "Written"))
    return done.stdout.splitlines()


@pytest.fixture
def pems(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    directory = tmp_path_factory.mktemp("machine")
    authority = LocalAuthority(machine="dev", directory=str(directory), options={})
    certificates.issue(authority, machine="dev", directory=str(directory), names=())
    return {name: (directory / f"{name}.pem").read_bytes() for name in ("ca", "cert", "key")}


@needs.programs("docker")
def test_the_docker_cli_shows_it_as_its_own(tmp_path: Path, pems: dict[str, Any]) -> None:
    write(tmp_path, **pems)
    assert docker(tmp_path, "context", "ls", "-q") == ["default", "dev"]
    [shown] = json.loads("\n".join(docker(tmp_path, "context", "inspect", "dev")))
    assert shown["Endpoints"] == {"docker": {"Host": "tcp://127.0.0.1:2376", "SkipTLSVerify": False}}
    assert shown["TLSMaterial"] == {"docker": ["ca.pem", "cert.pem", "key.pem"]}
    assert shown["Metadata"] == {"Description": "made by dinv", CONTEXT_OWNER: "store/dev"}
    docker(tmp_path, "context", "export", "dev", str(tmp_path / "exported"))
    assert (tmp_path / "exported").stat().st_size > len(pems["key"])


@needs.programs("docker")
def test_it_stays_ours_when_the_user_updates_it_and_its_removal_is_complete(
    tmp_path: Path, pems: dict[str, Any]
) -> None:
    write(tmp_path, **pems)
    docker(tmp_path, "context", "update", "dev", "--description", "changed")
    docker(tmp_path, "context", "use", "dev")
    found = contexts.read(contexts.current(str(tmp_path)), str(tmp_path))
    assert found is not None
    assert (found.name, found.description, found.owner) == ("dev", "changed", "store/dev")
    assert contexts.remove("dev", "store/dev", str(tmp_path))
    assert docker(tmp_path, "context", "ls", "-q") == ["default"]
    assert "default *" in "\n".join(docker(tmp_path, "context", "ls"))
    assert files(tmp_path) == ["config.json"]


@needs.programs("docker")
def test_one_of_the_docker_clis_own_is_read_and_left(tmp_path: Path) -> None:
    docker(
        tmp_path, "context", "create", "dev", "--docker", "host=tcp://10.0.0.1:2375", "--description", "mine"
    )
    found = contexts.read("dev", str(tmp_path))
    assert found is not None
    assert (found.host, found.description, found.owner) == ("tcp://10.0.0.1:2375", "mine", "")
    with pytest.raises(ContextTaken):
        write(tmp_path)
    docker(tmp_path, "context", "rm", "dev")
    write(tmp_path)


# The one in use


def test_to_use_one_changes_nothing_else(tmp_path: Path) -> None:
    path = configure(tmp_path, {"auths": {"r": {}}, "currentContext": "other", "a": [1]})
    path.chmod(0o640)
    contexts.set_current("dev", str(tmp_path))
    assert json.loads(path.read_bytes()) == {"auths": {"r": {}}, "currentContext": "dev", "a": [1]}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    contexts.set_current("default", str(tmp_path))
    assert json.loads(path.read_bytes()) == {"auths": {"r": {}}, "a": [1]}


def test_to_use_one_makes_a_config_for_the_user_alone(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "docker"
    contexts.set_current("default", str(directory))
    assert not directory.exists()
    contexts.set_current("dev", str(directory))
    assert contexts.current(str(directory)) == "dev"
    assert stat.S_IMODE((directory / "config.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"{", b"[]", b"[" * 100_000])
def test_a_config_that_cannot_be_read_is_not_written(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(ContextError, match="not what the docker CLI writes"):
        contexts.set_current("dev", str(tmp_path))
    assert path.read_bytes() == content


def test_tls_files_that_may_not_be_looked_at_are_not_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without them the endpoint would be spoken to without TLS."""
    contexts.write("lab", host="tcp://lab:2376", description="", owner="me", ca=b"", cert=b"", key=b"")
    look = os.stat

    def refuse(path: str, **options: Any) -> os.stat_result:
        if str(path).endswith("ca.pem"):
            raise PermissionError(13, "Permission denied", path)
        return look(path, **options)

    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(ContextError, match=r"ca\.pem: Permission denied"):
        contexts.read("lab")

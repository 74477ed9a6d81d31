"""The user's home and paths from it, in the environments of cron, containers and CI jobs."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dinv.endpoints import contexts
from dinv.engine import credentials
from dinv.engine.reference import parse_reference
from dinv.errors import ContextError, InputError
from dinv.store.store import Store
from dinv.system import docker_config, home

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without HOME and without an entry in the password file, as OpenShift runs containers by."""

    def no_entry(_: object) -> None:
        raise KeyError

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", no_entry)


@pytest.fixture
def gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory that has been removed."""
    directory = tmp_path / "gone"
    directory.mkdir()
    monkeypatch.chdir(directory)
    directory.rmdir()


@pytest.mark.parametrize("value", [None, ""])
def test_without_home_it_is_what_the_password_file_has(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    """As of docker; Python takes an empty HOME for the root directory."""
    if value is None:
        monkeypatch.delenv("HOME")
    else:
        monkeypatch.setenv("HOME", value)
    entry = pwd.getpwuid(os.getuid()).pw_dir
    assert home.directory() == entry
    assert home.expanded("~/x") == os.path.join(entry, "x")
    assert Store().path == os.path.join(entry, ".docker/machine")
    assert docker_config.directory() == os.path.join(entry, ".docker")


@pytest.mark.usefixtures("nobody")
def test_without_any_home_it_is_said_what_to_set(tmp_path: Path) -> None:
    for path in ("~", "~/store"):
        with pytest.raises(InputError, match=r"HOME is not set.*an absolute path"):
            home.absolute(path)
    with pytest.raises(InputError, match="MACHINE_STORAGE_PATH, or give a path to"):
        Store()
    with pytest.raises(InputError, match="DOCKER_CONFIG"):
        docker_config.directory()
    assert Store(str(tmp_path)).path == str(tmp_path)


@pytest.mark.usefixtures("nobody")
def test_without_any_home_docker_has_no_files() -> None:
    assert contexts.current() == "default"
    assert contexts.read("dev") is None
    assert contexts.remove("dev", "me") is False
    assert credentials.find(parse_reference("busybox")) is None
    with pytest.raises(ContextError, match="Set HOME, or DOCKER_CONFIG"):
        contexts.write("dev", host="h", description="", owner="me", ca=b"", cert=b"", key=b"")


def test_a_relative_directory_of_dockers_counts_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_CONFIG", "docker")
    contexts.write("dev", host="h", description="", owner="me", ca=b"", cert=b"", key=b"")
    assert (tmp_path / "docker" / "contexts").is_dir()


@pytest.mark.usefixtures("gone")
def test_in_a_directory_that_is_gone_relative_paths_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    assert home.absolute("/a/../b") == "/b"
    for path in ("a", ".", ""):
        with pytest.raises(InputError, match="not there any more"):
            home.absolute(path)
    monkeypatch.setenv("DOCKER_CONFIG", "docker")
    assert contexts.current() == "default"


@example("~//x")
@given(st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=10))
def test_any_path_is_as_the_standard_library_has_it(path: str) -> None:
    assert home.absolute(path) == os.path.abspath(os.path.expanduser(path))
    assert home.from_here(path) == os.path.join(os.getcwd(), path)

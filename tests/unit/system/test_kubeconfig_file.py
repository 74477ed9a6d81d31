from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import needs
import pytest

from dinv.errors import KubeconfigError, KubeconfigLocked
from dinv.system import kubeconfig

if TYPE_CHECKING:
    from pathlib import Path

OWNER = kubeconfig.Owner("k1", "0123abcd", "/store")
FOREIGN = (
    b"apiVersion: v1\nclusters:\n- name: a # mine\n  cluster: {}\ncontexts: [{name: a}]\nusers: [{name: a}]\n"
)


def add(
    path: Path | str, name: str = "k1", owner: kubeconfig.Owner = OWNER, *, use: bool | None = None
) -> str:
    return kubeconfig.add(
        str(path),
        name,
        cluster_ca=b"ca",
        server="https://192.0.2.7:6443",
        client_certificate=b"certificate",
        client_key=b"key",
        owner=owner,
        use=use,
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return tmp_path


def listing(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


# Which file


def test_it_is_the_file_that_kubectl_takes(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    default = str(home / ".kube/config")
    one, two = str(home / "one"), str(home / "two")
    assert kubeconfig.target() == default
    assert kubeconfig.target(one) == one
    monkeypatch.setenv("KUBECONFIG", "")
    assert kubeconfig.target() == default
    monkeypatch.setenv("KUBECONFIG", f"{one}::{two}:{one}")
    assert kubeconfig.target() == two  # the last, since none is there
    (home / "two").write_bytes(b"")
    (home / "one").write_bytes(b"")
    assert kubeconfig.target() == one  # the first that is there


def test_a_file_in_the_store_is_not_the_users(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, other = home / "store", str(home / "other")
    monkeypatch.setenv("KUBECONFIG", str(store / "machines/k1/kubeconfig"))
    assert kubeconfig.target(but_below=str(store)) == str(home / ".kube/config")
    monkeypatch.setenv("KUBECONFIG", f"{store}/machines/k1/kubeconfig:{other}")
    assert kubeconfig.target(but_below=str(store)) == other


# Changes


def test_a_file_that_is_missing_is_made_for_the_user_alone(tmp_path: Path) -> None:
    file = tmp_path / "a/b/config"
    assert add(file) == "k1"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert listing(file.parent) == ["config"]


def test_a_file_keeps_its_mode_and_a_link_stays_one(tmp_path: Path) -> None:
    file, link = tmp_path / "real", tmp_path / "config"
    file.write_bytes(FOREIGN)
    file.chmod(0o640)
    link.symlink_to("real")
    add(link)
    assert link.is_symlink()
    assert b"name: k1" in file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert kubeconfig.remove(str(link), OWNER) == ["k1"]
    assert file.read_bytes() == FOREIGN + b'current-context: ""\n'
    assert listing(tmp_path) == ["config", "real"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give files away")
def test_a_file_keeps_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_bytes(FOREIGN)
    os.chown(file, 1234, 2345)
    add(file)
    assert (file.stat().st_uid, file.stat().st_gid) == (1234, 2345)


def test_nothing_is_written_where_nothing_changes(tmp_path: Path) -> None:
    file = tmp_path / "config"
    add(file)
    before = file.stat().st_ino
    add(file)
    assert kubeconfig.remove(str(file), kubeconfig.Owner("k1", "another", "/store")) == []
    assert file.stat().st_ino == before
    assert kubeconfig.remove(str(tmp_path / "missing"), OWNER) == []


def test_names_in_other_files_of_the_list_are_taken(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = home / "first", home / "second"
    first.write_bytes(b"contexts:\n- name: k1\n  context: {}\ncurrent-context: k1\n")
    second.write_bytes(FOREIGN)
    monkeypatch.setenv("KUBECONFIG", f"{first}:{second}:{home}/missing")
    # kubectl would take the context of the first file for it.
    assert add(second) == "dinv-k1"
    assert b"current-context" not in second.read_bytes()
    first.write_bytes(b"broken: [")
    assert add(second) == "dinv-k1"


def test_what_an_editor_saves_meanwhile_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config"
    file.write_bytes(FOREIGN)
    real = kubeconfig._check_writable
    saved: list[int] = []

    def saving(path: str) -> None:
        if not saved:
            saved.append(file.write_bytes(b"# saved\n" + FOREIGN))
        real(path)

    monkeypatch.setattr(kubeconfig, "_check_writable", saving)
    add(file)
    assert file.read_bytes().startswith(b"# saved\n")
    assert b"name: k1" in file.read_bytes()


def test_threads_that_change_it_wait_for_each_other(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_bytes(FOREIGN)
    owners = [kubeconfig.Owner(f"m{number}", f"id{number}", "/store") for number in range(6)]
    threads = [threading.Thread(target=add, args=(file, owner.machine, owner)) for owner in owners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for owner in owners:
        assert kubeconfig.remove(str(file), owner) == [owner.machine]
    assert listing(tmp_path) == ["config"]


# What is in the way


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"a: [", "not YAML"), (b"kind: Pod\n", "not a kubeconfig"), (b"#" * (kubeconfig.LARGEST + 1), "bytes")],
)
def test_a_file_that_cannot_be_used_is_left_as_it_is(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "config"
    file.write_bytes(content)
    for change in (add, kubeconfig.check):
        with pytest.raises(KubeconfigError, match=reason) as caught:
            change(str(file))
        assert str(file) in str(caught.value)
    assert file.read_bytes() == content
    assert listing(tmp_path) == ["config"]


def test_a_directory_is_no_kubeconfig(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="cannot be read"):
        add(tmp_path)


def test_a_file_that_is_read_only_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_bytes(FOREIGN)
    file.chmod(0o400)
    for change in (add, kubeconfig.check):
        with pytest.raises(
            KubeconfigError, match=f"read-only. Make it writable: chmod u\\+w {re.escape(str(file))}"
        ):
            change(str(file))
    assert file.read_bytes() == FOREIGN


@pytest.mark.skipif(os.getuid() == 0, reason="root may write in any directory")
def test_a_directory_that_is_read_only(tmp_path: Path) -> None:
    directory = tmp_path / "kube"
    directory.mkdir(mode=0o500)
    for change in (add, kubeconfig.check):
        with pytest.raises(KubeconfigError, match="cannot be locked"):
            change(str(directory / "config"))


def test_check_makes_nothing(tmp_path: Path) -> None:
    kubeconfig.check(str(tmp_path / "kube/config"))
    kubeconfig.check(str(tmp_path / "config"))
    assert listing(tmp_path) == []
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(KubeconfigError, match="cannot be made"):
        kubeconfig.check(str(tmp_path / "file/config"))


def test_without_pyyaml_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("dinv.formats.kubeconfig")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("dinv.formats.kubeconfig", raising=False)
    monkeypatch.setitem(sys.modules, "yaml", None)
    for change in (add, kubeconfig.check):
        with pytest.raises(KubeconfigError, match=r"PyYAML.*pip install 'dinv\[kubernetes\]'"):
            change(str(tmp_path / "config"))
    # What has nothing of dinv's in it needs nothing to be taken out.
    (tmp_path / "config").write_bytes(FOREIGN)
    assert kubeconfig.remove(str(tmp_path / "config"), OWNER) == []


# The lock


def test_a_lock_of_another_program_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, lock = tmp_path / "config", tmp_path / "config.lock"
    file.write_bytes(FOREIGN)
    lock.write_bytes(b"")  # as client-go makes it
    monkeypatch.setattr(kubeconfig, "LOCK_SECONDS", 0.3)
    with pytest.raises(KubeconfigLocked, match=f"rm {re.escape(str(lock))}") as caught:
        add(file)
    assert caught.value.lock == str(lock)
    assert file.read_bytes() == FOREIGN
    assert listing(tmp_path) == ["config", "config.lock"]
    monkeypatch.setattr(kubeconfig, "LOCK_SECONDS", 30)
    threading.Timer(0.3, lock.unlink).start()
    assert add(file) == "k1"
    assert listing(tmp_path) == ["config"]


HOLD = """
import sys, time
from dinv.system import kubeconfig
with kubeconfig._locked(sys.argv[1]):
    print("locked", flush=True)
    time.sleep(60)
"""


def test_a_lock_of_a_dinv_that_was_killed_is_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config"
    file.write_bytes(FOREIGN)
    with subprocess.Popen([sys.executable, "-c", HOLD, str(file)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        monkeypatch.setattr(kubeconfig, "LOCK_SECONDS", 0.2)
        with pytest.raises(KubeconfigLocked):
            add(file)
        holder.kill()
        holder.wait()
    assert listing(tmp_path) == ["config", "config.lock"]
    began = time.monotonic()
    monkeypatch.setattr(kubeconfig, "LOCK_SECONDS", 60)
    assert add(file) == "k1"
    assert time.monotonic() - began < 60
    assert listing(tmp_path) == ["config"]


KILLED = """
import os, sys
from dinv.system import kubeconfig
moment = sys.argv[2]
module, _, name = moment.rpartition(".")
place = {"os": os, "kubeconfig": kubeconfig}[module]
setattr(place, name, lambda *_arguments, **_keywords: os._exit(9))
kubeconfig.add(sys.argv[1], "k1", cluster_ca=b"", server="https://a", client_certificate=b"", client_key=b"",
    owner=kubeconfig.Owner("k1", "0123abcd", "/store"))
"""


@pytest.mark.parametrize("moment", ["os.link", "os.replace", "os.fsync", "kubeconfig._replace", "os.unlink"])
def test_whenever_it_is_killed_the_next_one_goes_on(tmp_path: Path, moment: str) -> None:
    file = tmp_path / "config"
    file.write_bytes(FOREIGN)
    command = [sys.executable, "-c", KILLED, str(file), moment]
    assert subprocess.run(command, check=False, timeout=60).returncode == 9
    assert file.read_bytes() == FOREIGN or moment == "os.unlink"
    for name in listing(tmp_path):
        if name.startswith("config.lock.dinv-"):  # as if it were of long ago
            os.utime(tmp_path / name, (0, 0))
    assert add(file) == "k1"
    assert listing(tmp_path) == ["config"]


def test_where_there_are_no_hard_links_it_is_locked_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_names: str) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    monkeypatch.setattr(kubeconfig, "LOCK_SECONDS", 0.2)
    file = tmp_path / "config"
    with kubeconfig._locked(str(file)):
        assert listing(tmp_path) == ["config.lock"]
        with pytest.raises(KubeconfigLocked):
            add(file)
    assert add(file) == "k1"
    assert listing(tmp_path) == ["config"]


# kubectl


@needs.programs("kubectl")
@pytest.mark.parametrize(
    "before", [b"", FOREIGN, b'{"apiVersion":"v1","kind":"Config","users":[{"name":"a","user":{}}]}']
)
def test_kubectl_reads_what_is_written_and_keeps_the_mark(home: Path, before: bytes) -> None:
    file = home / "config"
    file.write_bytes(before)
    environment = {**os.environ, "KUBECONFIG": str(file)}

    def kubectl(*words: str) -> str:
        command = ["kubectl", "config", *words]
        return subprocess.run(
            command, check=True, capture_output=True, text=True, env=environment, timeout=60
        ).stdout

    add(file, use=True)
    assert kubectl("current-context") == "k1\n"
    seen = json.loads(kubectl("view", "--raw", "--minify", "-o", "json"))
    assert seen["clusters"][0]["cluster"]["server"] == "https://192.0.2.7:6443"
    assert seen["users"][0]["user"]["client-key-data"] == "a2V5"
    # It writes the whole file anew.
    kubectl("set-context", "theirs", "--cluster=a")
    assert kubeconfig.remove(str(file), OWNER) == ["k1"]
    assert "k1" not in file.read_text(encoding="ascii")
    assert kubectl("get-contexts", "-o", "name").split() == (["a"] if before == FOREIGN else []) + ["theirs"]
    add(file)
    # There is its lock.
    with kubeconfig._locked(str(file)), pytest.raises(subprocess.CalledProcessError) as caught:
        kubectl("use-context", "k1")
    assert ".lock" in caught.value.stderr

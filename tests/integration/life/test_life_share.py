"""Two colleagues at one machine: given access, and one of them taken away again."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from watched import Client, await_heard

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from users import User

CUT_SECONDS = 20.0
"""How long a stream of a revoked certificate may go on at most; two, on a computer that is not busy."""


def docker(environment: Mapping[str, str], *words: str) -> tuple[int, str]:
    done = subprocess.run(
        ["docker", *words],
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout


def let_in(environment: Mapping[str, str]) -> bool:
    status, said = docker(environment, "version", "--format", "{{.Server.Version}}")
    assert status == 0 or "revoked" in said or "certificate" in said, said
    return status == 0


def test_one_goes_and_the_other_stays(user: User, tmp_path: Path) -> None:
    dev = user.name("dev")
    user.dinv("create", dev)

    # Alice has docker alone, and bob has dinv.
    user.dinv("share", dev, "--for", "alice", "-o", str(tmp_path / "alice.dinv"))
    alice = {**user.environment, "DOCKER_CONFIG": str(tmp_path / "alice")}
    status, said = docker(alice, "context", "import", "work", str(tmp_path / "alice.dinv"))
    assert status == 0, said
    alice["DOCKER_CONTEXT"] = "work"
    csr, key, file = (str(tmp_path / name) for name in ("bob.csr", "bob.key", "bob.dinv"))
    ec = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    subprocess.run(
        ["openssl", "req", "-new", *ec, "-nodes", "-keyout", key, "-subj", "/CN=bob", "-out", csr],
        check=True,
        capture_output=True,
        timeout=60,
    )
    user.dinv("share", dev, "--for", "bob", "--csr", csr, "-o", file)
    bobs = {
        "MACHINE_STORAGE_PATH": str(tmp_path / "bob" / "store"),
        "DOCKER_CONFIG": str(tmp_path / "bob" / "docker"),
    }
    user.dinv("import", "--key", key, "--name", "work", file, env=bobs)
    assert "shared with you by" in user.dinv("stop", "work", status=1, env=bobs).stderr
    bob = {**user.environment, **bobs, "DOCKER_CONTEXT": "work"}
    assert let_in(alice)
    assert let_in(bob)

    # Both look on; alice is cut off, and neither bob nor the owner.
    clients = [
        Client(environment, "events")
        for environment in ({**user.environment, **user.variables(dev)}, alice, bob)
    ]
    owners, hers, his = clients

    def before() -> None:
        user.docker(dev, "volume", "rm", "-f", "before")
        user.docker(dev, "volume", "create", "before")

    try:
        await_heard(clients, before, "volume create before")
        user.dinv("access", "revoke", dev, "alice")
        hers.await_end(CUT_SECONDS)
        status, said = docker(alice, "ps")
        assert status != 0
        assert "revoked" in said
        user.docker(dev, "volume", "create", "after")
        his.await_said("after")
        owners.await_said("after")
        assert "after" not in hers.said
    finally:
        for client in clients:
            client.close()
    assert "nothing to revoke" in user.fails("access", "revoke", dev, "alice")

    # That holds over whatever makes the machine serve anew.
    for verb in (["provision", dev], ["restart", dev], ["upgrade", "--force", dev]):
        user.dinv(*verb)
        assert not let_in(alice), verb
        assert let_in(bob), verb

    # Of a machine that does not run, it holds from its next start on.
    user.dinv("stop", dev)
    assert "next start" in user.dinv("access", "revoke", dev, "bob").stdout
    user.dinv("start", dev)
    assert not let_in(bob)
    listed = user.dinv("access", "ls", "--format", "{{.Holder}} {{.State}}", dev).stdout.splitlines()
    assert listed == [" valid", " valid", "alice revoked", "bob revoked"]
    assert user.docker(dev, "volume", "ls", "-q").split() == ["after", "before"]
    assert os.stat(file).st_mode & 0o077 == 0
    user.dinv("rm", "-y", dev)

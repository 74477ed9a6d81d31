"""The pytest plugin, in the test run of a project that uses it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from users import User

_TESTS = """
import ssl, urllib.request

def ping(machine):
    context = ssl.create_default_context(cafile=f"{machine.directory}/ca.pem")
    context.load_cert_chain(f"{machine.directory}/cert.pem", f"{machine.directory}/key.pem")
    url = machine.url.replace("tcp://", "https://") + "/_ping"
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
    with opener.open(url, timeout=10) as answer:
        return answer.read()

def test_own(docker_host):
    assert ping(docker_host) == b"OK"
    with open("names", "a") as file:
        print(docker_host.name, file=file)

def test_shared_one(docker_host_session, docker_host):
    assert ping(docker_host_session) == b"OK"
    assert docker_host_session.url != docker_host.url
    assert docker_host_session.inspect()["Driver"]["Memory"] == 300 * 1024 * 1024
    with open("names", "a") as file:
        print(docker_host_session.name, docker_host.name, file=file)

def test_shared_two(docker_host_session):
    with open("names", "a") as file:
        print(docker_host_session.name, file=file)
    raise RuntimeError("a test that fails")
"""


def test_hosts_for_tests(user: User, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(_TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\ndinv_memory = 300m\n")
    environment = {key: value for key, value in user.environment.items() if key != "DINV_ENDPOINT"}
    run = subprocess.run(
        (
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "--dinv-endpoint",
            user.endpoint,
            str(tmp_path),
        ),
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "2 passed" in run.stdout, run.stdout
    assert "1 failed" in run.stdout, run.stdout
    assert "error" not in run.stdout.splitlines()[-1]
    names = (tmp_path / "names").read_text().split()
    assert len(names) == 4
    assert names[1] == names[3], "one for the session"
    assert len(set(names)) == 3, "and one for each test"
    for name in names:
        assert name.startswith("pytest-")
        assert user.traces(name) == []

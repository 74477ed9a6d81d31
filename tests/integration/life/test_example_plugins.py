"""The example plugins, installed by pip beside dinv in an environment of their own, and used by `create`.

Nothing is fetched: what dinv needs, and what builds wheels, is lent by the environment that the tests run in.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import ssl
import subprocess
import sys
import sysconfig
import tarfile
from typing import TYPE_CHECKING

import pytest
from harness import CHECKOUT, GREETING, import_busybox
from users import busybox_tar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from users import User

PLUGINS = {
    "pool": ("driver", "dinv-pool 1.0"),
    "registry": ("provisioner", "dinv-registry 1.0"),
    "preload": ("provisioner", "dinv-preload 1.0"),
    "openssl": ("authority", "dinv-openssl 1.0"),
    "hardened": ("image contract", "dinv-hardened 1.0"),
    "pre-create.quota": ("hook", "dinv-quota 1.0"),
}
PASSPHRASE = "correct horse"


class Installed:
    """A dinv that is installed with the plugins, run as a user."""

    def __init__(self, program: Path) -> None:
        self.program = str(program)

    def __call__(self, user: User, *words: str, status: int = 0, **variables: str) -> str:
        """Run it; returns both its streams, as one text."""
        said = user.run(self.program, *words, status=status, env=variables)
        assert "Traceback" not in said
        return said


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    place = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True, timeout=60)
    python = place / "bin" / "python"
    (site,) = (place / "lib").glob("python3.*/site-packages")
    # Packages that it is found in, and none of those that it would be installed in (no .pth is read there).
    (site / "lent.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n")
    plugins = [entry.path for entry in os.scandir(os.path.join(CHECKOUT, "examples", "plugins"))]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"),
            *("--ignore-installed", "--no-index", "--no-deps", "--no-build-isolation", CHECKOUT, *plugins),
        ],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Installed(place / "bin" / "dinv")


def openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=30)


@pytest.fixture
def pki(tmp_path: Path) -> str:
    """A CA whose key is encrypted."""
    directory = tmp_path / "pki"
    directory.mkdir()
    key, certificate = directory / "ca-key.pem", directory / "ca.pem"
    openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "30"),
        *("-subj", "/CN=house CA", "-passout", f"pass:{PASSPHRASE}", "-keyout", str(key)),
        *("-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", str(certificate)),
    )
    return str(directory)


def test_they_are_listed_with_where_they_come_from(installed: Installed, user: User) -> None:
    listed = json.loads(installed(user, "plugins", "--format", "json"))
    assert not [plugin for plugin in listed if plugin["Problem"]]
    found = {plugin["Name"]: (plugin["Kind"], plugin["From"]) for plugin in listed}
    assert {name: found[name] for name in PLUGINS} == PLUGINS
    assert found["docker"][1] == "built in"
    table = installed(user, "plugins").splitlines()
    assert any(line.split() == ["pool", "driver", "dinv-pool", "1.0"] for line in table)


def test_a_host_of_a_pool_is_taken_and_given_back(installed: Installed, user: User, tmp_path: Path) -> None:
    pool = tmp_path / "pool.json"
    pool.write_text(json.dumps([{"url": "tcp://127.0.0.1:2375"}, {"url": "tcp://127.0.0.2:2375"}]))
    create = ("create", "-d", "pool", "--hosts", str(pool))
    assert "driver pool:" in installed(user, *create, "--help")
    assert "--hosts FILE" in installed(user, "create", "-d", "pool", "one", status=1)
    for name in ("one", "two"):
        installed(user, *create, name)
    assert "All 2 hosts" in installed(user, *create, "three", status=3)
    assert installed(user, "url", "two").strip() == "tcp://127.0.0.2:2375"
    installed(user, "rm", "-y", "one")
    installed(user, *create, "three")
    assert installed(user, "url", "three").strip() == "tcp://127.0.0.1:2375"
    installed(user, "rm", "-y", "two", "three")
    assert json.loads((tmp_path / "pool.json.taken").read_text()) == {}


def test_a_hook_refuses_one_too_many(installed: Installed, user: User, tmp_path: Path) -> None:
    pool = tmp_path / "pool.json"
    pool.write_text(json.dumps([{"url": "tcp://127.0.0.1:2375"}, {"url": "tcp://127.0.0.2:2375"}]))
    os.makedirs(os.path.join(user.store, "hooks"))
    with open(os.path.join(user.store, "hooks", "quota.txt"), "w", encoding="ascii") as file:
        file.write("1")
    create = ("create", "-d", "pool", "--hosts", str(pool))
    installed(user, *create, "one")
    said = installed(user, *create, "two", status=1)
    assert "The hook pre-create.quota has refused: this store may have 1 machines, and has one." in said
    installed(user, "rm", "-y", "one")
    installed(user, *create, "two")
    installed(user, "rm", "-y", "two")


def test_a_machine_by_three_plugins(installed: Installed, user: User, pki: str, tmp_path: Path) -> None:
    archive, name = tmp_path / "hello.tar", user.name("plugins")
    with user.engine() as engine:
        import_busybox(engine)
        with open(archive, "wb") as file, engine.images.save(["hello:latest"]) as saved:
            while piece := saved.read(1 << 16):
                file.write(piece)
        engine.images.remove("hello:latest")
    words = (
        *("create", "--memory", "300m", "--authority", "openssl", "--openssl-ca", pki),
        *("--provisioner", "preload", "--preload", str(archive), "--engine-label", "made=here"),
        *("--image-contract", "hardened", "--log-max-size", "5m", "--engine-opt", "icc=true"),
    )
    said = installed(user, *words, name, status=1, OPENSSL_CA_PASSPHRASE="wrong")
    assert "openssl cannot use the CA" in said
    said = installed(user, *words, name, OPENSSL_CA_PASSPHRASE=PASSPHRASE)
    assert "hello:latest" in said

    # The image was there before anybody asked for one.
    assert GREETING in docker(user, name, "run", "--rm", "hello")
    assert "made=here" in docker(user, name, "info", "--format", "{{json .Labels}}")
    status = docker(user, name, "run", "--rm", "hello", "/bin/grep", "NoNewPrivs", "/proc/self/status")
    assert status.split() == ["NoNewPrivs:", "1"]
    arguments = installed(user, "ssh", name, "cat", "/etc/dinv/dockerd.args").split()
    assert {"--icc=true", "--log-opt=max-size=5m"} <= set(arguments)
    assert "--icc=false" not in arguments

    # What was chosen is recorded, and the secret is not.
    record = json.loads(installed(user, "inspect", name))
    assert PASSPHRASE not in json.dumps(record)
    assert record["Dinv"]["Authority"] == "openssl"
    assert record["Dinv"]["AuthorityOptions"] == {"openssl_ca": pki, "openssl_days": 90}
    assert record["Dinv"]["ProvisionerOptions"] == {"preload": [str(archive)]}
    assert record["Dinv"]["ImageContractOptions"] == {"log_max_size": "5m"}

    # A renewal has to have it again.
    directory = record["HostOptions"]["AuthOptions"]["StorePath"]
    before = (server := os.path.join(directory, "server.pem")) and _read(server)
    said = installed(user, "regenerate-certs", "-f", name, status=1)
    assert "OPENSSL_CA_PASSPHRASE" in said
    assert _read(server) == before
    installed(user, "regenerate-certs", "-f", name, OPENSSL_CA_PASSPHRASE=PASSPHRASE)
    assert _read(server) != before
    docker(user, name, "info")

    # dinv without the plugins says what is missing, and can still remove the machine.
    assert 'Authority "openssl" not found' in user.fails("provision", name)
    user.dinv("rm", "-y", name)


@pytest.fixture
def registry_image(user: User, tmp_path: Path) -> Iterator[str]:
    """The machine image with a registry, built as the example's README has it."""
    image, context = f"dinv-registry-{user.suffix}", tmp_path / "image"
    shutil.copytree(os.path.join(CHECKOUT, "examples", "plugins", "registry-provisioner", "image"), context)
    program = shutil.which("docker-registry")
    assert program, "it is installed by scripts/test"
    shutil.copy(program, context)
    user.run("docker", "-H", user.endpoint, "build", "-t", image, str(context))
    yield image
    user.run("docker", "-H", user.endpoint, "rmi", image)


def test_a_machine_that_serves_a_registry(
    installed: Installed, user: User, registry_image: str, tmp_path: Path
) -> None:
    name = user.name("images")
    create = ("create", "--memory", "400m", "--provisioner", "registry")
    said = installed(user, *create, name, status=1)
    assert "cannot serve a registry: its image has no /usr/local/bin/docker-registry" in said
    assert user.traces(name) == []
    assert "--registry-port" in installed(user, *create, "--registry-port", "2376", name, status=1)

    said = installed(user, *create, "--image", registry_image, name)
    where = f"{installed(user, 'ip', name).strip()}:5000"
    assert f"ready at {where}" in said
    assert f'export DINV_REGISTRY="{where}"' in installed(user, "env", "--shell", "bash", name)

    # The machine's own daemon as a client: one without a certificate, one with, as the README has it.
    user.run("docker", "--context", name, "import", "-", f"{where}/hello", data=busybox_tar())
    folder = f"/etc/docker/certs.d/{where}"
    directory = json.loads(installed(user, "inspect", name))["HostOptions"]["AuthOptions"]["StorePath"]
    assert "certificate" in user.run("docker", "--context", name, "push", f"{where}/hello", status=1)
    installed(user, "ssh", name, f"mkdir -p {folder}")
    installed(user, "scp", f"{directory}/ca.pem", f"{name}:{folder}/ca.crt")
    assert "certificate" in user.run("docker", "--context", name, "push", f"{where}/hello", status=1)
    installed(user, "scp", f"{directory}/cert.pem", f"{name}:{folder}/client.cert")
    installed(user, "scp", f"{directory}/key.pem", f"{name}:{folder}/client.key")
    docker(user, name, "push", f"{where}/hello")
    docker(user, name, "rmi", f"{where}/hello")
    assert docker(user, name, "run", "--rm", f"{where}/hello", "/bin/echo", "pulled").endswith("pulled\n")

    # New certificates: the registry has them, and the daemon has not been restarted.
    host, _, port = where.rpartition(":")
    daemon = installed(user, "ssh", name, "cat /var/run/docker.pid")
    before = ssl.get_server_certificate((host, int(port)), timeout=10)
    installed(user, "regenerate-certs", "-f", name)
    after = ssl.get_server_certificate((host, int(port)), timeout=10)
    assert before != after
    assert after.strip().encode() in _read(f"{directory}/server.pem")
    assert installed(user, "ssh", name, "cat /var/run/docker.pid") == daemon
    docker(user, name, "pull", f"{where}/hello")

    # Who is let in by a share is refused once that is revoked, and the owner is not.
    installed(user, "share", "--for", "ann", "-o", str(tmp_path / "ann.tar"), name)
    with tarfile.open(tmp_path / "ann.tar") as shared:
        shared.extractall(tmp_path / "ann", filter="data")
    ann = str(tmp_path / "ann" / "tls" / "docker")
    assert status_of(where, ann) == http.HTTPStatus.OK
    installed(user, "access", "revoke", name, "ann")
    assert status_of(where, ann) == http.HTTPStatus.FORBIDDEN
    docker(user, name, "pull", f"{where}/hello")

    installed(user, "rm", "-y", name)
    assert user.traces(name) == []


def status_of(where: str, directory: str) -> int:
    """What the registry answers with to a client that has the certificate in `directory`."""
    tls = ssl.create_default_context(cafile=os.path.join(directory, "ca.pem"))
    tls.load_cert_chain(os.path.join(directory, "cert.pem"), os.path.join(directory, "key.pem"))
    host, _, port = where.rpartition(":")
    connection = http.client.HTTPSConnection(host, int(port), timeout=10, context=tls)
    try:
        connection.request("GET", "/v2/")
        return connection.getresponse().status
    finally:
        connection.close()


def docker(user: User, machine: str, *words: str) -> str:
    return user.run("docker", "--context", machine, *words)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()

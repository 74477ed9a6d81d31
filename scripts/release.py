"""Build the files of a release, for scripts/release: the same commit gives the same files.

    python scripts/release.py DIRECTORY

They are made from what git has of HEAD, never from the work tree. Times are those of the commit.
docs/releases.md says what each file is for.
"""

from __future__ import annotations

import email.utils
import glob
import gzip
import hashlib
import io
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import textwrap
import tomllib
import zipfile

CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MAINTAINER = "The dinv maintainers <maintainers@dinv.invalid>"
BUNDLED = ("rich",)
"""What the one-file program has in it; cryptography is compiled for one platform and is the system's, as is
PyYAML, which only some verbs need, and say so."""

CONTROL = """\
Package: dinv
Version: {version}
Architecture: all
Maintainer: {maintainer}
Installed-Size: {size}
Depends: {depends}
Recommends: docker-cli | docker-ce-cli
Suggests: docker.io | docker-ce | podman, openssh-client, rsync, sshfs, mmdebstrap
Section: admin
Priority: optional
Description: private Docker hosts on a Docker API endpoint you already have
{description}
"""

DESCRIPTION = """\
dinv makes Docker hosts, "machines": containers with a whole Docker daemon in them, each with an image cache
and certificates of its own, reached by mutual TLS. It makes them on a Docker Engine, on Podman, or on a
Virtual Container Host of vSphere Integrated Containers, and speaks docker-machine's language.
"""

SCRIPTS = {
    "postinst": '#!/bin/sh\nset -e\n[ "$1" != configure ] || py3compile -p dinv\n',
    "prerm": "#!/bin/sh\nset -e\npy3clean -p dinv\n",
}

CHANGES = """\
dinv ({version}) unstable; urgency=medium

  * What has changed is in CHANGELOG.md.gz.

 -- {maintainer}  {date}
"""

COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: dinv

Files: *
Copyright: 2026 the dinv authors
License: Apache-2.0
 On Debian systems the text is in /usr/share/common-licenses/Apache-2.0
"""

PROGRAM = "#!/usr/bin/python3\nfrom dinv.cli import run\n\nrun()\n"

ONE_FILE = '''\
"""The one-file program: it looks whether this Python has what is not in the file."""

import sys

OLDEST = {oldest}


def run():
    try:
        import cryptography

        found = cryptography.__version__
    except ImportError:
        found = ""
    if not found or int(found.partition(".")[0]) < OLDEST:
        there = f"has cryptography {{found}}" if found else "has no cryptography"
        sys.exit(
            f"{{sys.executable}} {{there}}, and this program takes {{OLDEST}} or newer from it: "
            f"apt install python3-cryptography, or {{sys.executable}} -m pip install cryptography"
        )
    from dinv.cli import run

    run()
'''


class Release:
    """What files are made of: the source, the wheel, an environment with it, what pyproject.toml says."""

    def __init__(self, source: str, wheel: str, site: str, scratch: str) -> None:
        self.source = source
        self.wheel = wheel
        self.site = site
        self.scratch = scratch
        self.version = os.path.basename(wheel).split("-")[1]
        with open(os.path.join(source, "pyproject.toml"), "rb") as file:
            project = tomllib.load(file)["project"]
        self.python: str = project["requires-python"]
        self.requirements: list[str] = project["dependencies"]


def main(words: list[str]) -> int:
    """Build everything into the directory that is named."""
    (directory,) = words
    epoch = _git("log", "-1", "--format=%ct").decode().strip()
    os.environ["SOURCE_DATE_EPOCH"] = epoch
    os.environ["TZ"] = "UTC"
    os.umask(0o022)
    os.makedirs(directory, exist_ok=True)
    for path in glob.glob(os.path.join(glob.escape(directory), "*")):
        os.remove(path)
    with tempfile.TemporaryDirectory(prefix="dinv-release-") as scratch:
        source = os.path.join(scratch, "source")
        with tarfile.open(fileobj=io.BytesIO(_git("archive", "HEAD"))) as tree:
            tree.extractall(source, filter="data")
        _build(source, directory)
        (wheel,) = glob.glob(os.path.join(glob.escape(directory), "*.whl"))
        site = os.path.join(scratch, "site")
        subprocess.run([sys.executable, "-m", "venv", site], check=True)
        _pip(site, "install", wheel)
        release = Release(source, wheel, site, scratch)
        _debian_package(release, directory)
        _one_file(release, directory)
        _sbom(release, directory)
    _sums(directory)
    for name in sorted(os.listdir(directory)):
        size = os.path.getsize(os.path.join(directory, name))
        sys.stdout.write(f"{name:<34} {size / 1024:8.0f} KiB\n")
    return 0


def _git(*words: str) -> bytes:
    return subprocess.run(["git", "-C", CHECKOUT, *words], check=True, stdout=subprocess.PIPE).stdout


def _pip(site: str, *words: str) -> None:
    python = os.path.join(site, "bin", "python")
    subprocess.run([python, "-m", "pip", "--quiet", "--disable-pip-version-check", *words], check=True)


def _build(source: str, directory: str) -> None:
    """The source, and from it the wheel."""
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", directory, source],
        check=True,
        stdout=subprocess.DEVNULL,
    )


DEBIAN_NAMES = {"pyyaml": "yaml"}
"""Where Debian's package python3-NAME has another name."""


def debian_dependencies(requirements: list[str], python: str) -> str:
    """What pyproject.toml requires, in Debian's words."""
    found = [f"python3 ({python.replace('>=', '>= ')})"]
    for requirement in requirements:
        match = re.fullmatch(r"([a-z0-9-]+)>=([0-9.]+)", requirement)
        if match is None:
            raise SystemExit(
                f"{requirement}: what this is in Debian has to be written into scripts/release.py"
            )
        found.append(f"python3-{DEBIAN_NAMES.get(match[1], match[1])} (>= {match[2]})")
    return ", ".join(found)


def _debian_package(release: Release, directory: str) -> None:
    """The .deb: the wheel's files where Debian has such, man pages, completion."""
    root = os.path.join(release.scratch, "deb")
    packages = os.path.join(root, "usr", "lib", "python3", "dist-packages")
    with zipfile.ZipFile(release.wheel) as archive:
        for entry in archive.infolist():
            name = entry.filename
            if ".data/" not in name and not name.endswith("/RECORD"):
                mode = 0o755 if entry.external_attr >> 16 & stat.S_IXUSR else 0o644
                _write(os.path.join(packages, name), archive.read(entry), mode)
    _write(os.path.join(root, "usr", "bin", "dinv"), PROGRAM.encode(), 0o755)
    for name in sorted(os.listdir(os.path.join(release.source, "man"))):
        _compress(
            os.path.join(release.source, "man", name),
            os.path.join(root, "usr", "share", "man", "man1", f"{name}.gz"),
        )
    documents = os.path.join(root, "usr", "share", "doc", "dinv")
    _compress(os.path.join(release.source, "CHANGELOG.md"), os.path.join(documents, "CHANGELOG.md.gz"))
    changes = CHANGES.format(version=release.version, maintainer=MAINTAINER, date=_date())
    _write(os.path.join(documents, "changelog.gz"), gzip.compress(changes.encode(), 9, mtime=0))
    _write(os.path.join(documents, "copyright"), COPYRIGHT.encode())
    share = os.path.join(root, "usr", "share")
    for shell, path in (
        ("bash", "bash-completion/completions/dinv"),
        ("zsh", "zsh/vendor-completions/_dinv"),
        ("fish", "fish/vendor_completions.d/dinv.fish"),
    ):
        _write(os.path.join(share, path), _completion(release.site, shell))
    files = [os.path.join(where, name) for where, _, names in os.walk(root) for name in names]
    size = sum(os.path.getsize(path) for path in files) // 1024
    lines = textwrap.wrap(" ".join(DESCRIPTION.split()), 76)
    control = CONTROL.format(
        version=release.version,
        maintainer=MAINTAINER,
        size=size,
        depends=debian_dependencies(release.requirements, release.python),
        description="\n".join(f" {line}" for line in lines),
    )
    _write(os.path.join(root, "DEBIAN", "control"), control.encode())
    sums = "".join(f"{_md5(path)}  {os.path.relpath(path, root)}\n" for path in sorted(files))
    _write(os.path.join(root, "DEBIAN", "md5sums"), sums.encode())
    for name, text in SCRIPTS.items():
        _write(os.path.join(root, "DEBIAN", name), text.encode(), 0o755)
    target = os.path.join(directory, f"dinv_{release.version}_all.deb")
    command = ["dpkg-deb", "--root-owner-group", "-Zxz", "--build", root, target]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _completion(site: str, shell: str) -> bytes:
    """What `dinv completion` prints for a user whom no variable has told anything."""
    environment = {"PATH": f"{site}/bin:/usr/bin:/bin", "HOME": "/nonexistent", "LANG": "C.UTF-8"}
    command = [os.path.join(site, "bin", "dinv"), "completion", shell]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout


def _one_file(release: Release, directory: str) -> None:
    """The program in one file, by shiv: it unpacks itself into ~/.shiv at its first start."""
    tree = os.path.join(release.scratch, "one-file")
    inside = [line for line in release.requirements if line.startswith(BUNDLED)]
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-compile"]
    subprocess.run([*pip, "--target", tree, *inside], check=True)
    subprocess.run([*pip, "--target", tree, "--no-deps", release.wheel], check=True)
    shutil.rmtree(os.path.join(tree, "bin"), ignore_errors=True)
    for path in glob.glob(os.path.join(glob.escape(tree), "*.dist-info", "*")):
        if os.path.basename(path) in ("RECORD", "direct_url.json", "REQUESTED"):  # of this build alone
            os.remove(path)
    oldest = next(line.partition(">=")[2] for line in release.requirements if line.startswith("cryptography"))
    _write(os.path.join(tree, "dinv_one_file.py"), ONE_FILE.format(oldest=oldest).encode())
    subprocess.run(
        [
            *(sys.executable, "-m", "shiv", "--site-packages", tree, "--reproducible", "--extend-pythonpath"),
            *("--no-modify", "--python", "/usr/bin/env python3", "--entry-point", "dinv_one_file:run"),
            *("--output-file", os.path.join(directory, f"dinv-{release.version}.pyz")),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _sbom(release: Release, directory: str) -> None:
    """What a fresh environment has in it where dinv has been installed; not pip."""
    _pip(release.site, "uninstall", "--yes", "pip", "setuptools")
    subprocess.run(
        [
            *(sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible"),
            *("--pyproject", os.path.join(release.source, "pyproject.toml"), "--mc-type", "application"),
            *(
                "--output-format",
                "JSON",
                "--output-file",
                os.path.join(directory, f"dinv-{release.version}.cdx.json"),
            ),
            os.path.join(release.site, "bin", "python"),
        ],
        check=True,
        stderr=subprocess.DEVNULL,
    )


def _date() -> str:
    """The commit's time, as Debian writes it."""
    return email.utils.formatdate(int(os.environ["SOURCE_DATE_EPOCH"]))


def _sums(directory: str) -> None:
    """SHA256SUMS, as sha256sum reads it."""
    lines = []
    for name in sorted(os.listdir(directory)):
        with open(os.path.join(directory, name), "rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n")
    _write(os.path.join(directory, "SHA256SUMS"), "".join(lines).encode())


def _md5(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.md5(file.read(), usedforsecurity=False).hexdigest()  # as Debian has it


def _write(path: str, content: bytes, mode: int = 0o644) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, mode)


def _compress(source: str, target: str) -> None:
    with open(source, "rb") as file:
        _write(target, gzip.compress(file.read(), 9, mtime=0))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

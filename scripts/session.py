#!/usr/bin/env python3
"""Record a session with dinv as docs/session.svg: a real one, on a real engine.

    scripts/session.py               builds the machine image
    scripts/session.py IMAGE.tar     loads it from what `docker save dinv:latest` wrote

As root, with dockerd, docker, curl, unshare and a static /bin/busybox. It starts an engine of its own, in a
home directory of its own, has a shell run the lines of SESSION on a terminal, and draws what that shows; only
the long identities of containers are cut short. Engine, machine and directory are gone afterwards.
"""

from __future__ import annotations

import errno
import os
import pty
import re
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import textwrap
from fcntl import ioctl

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUTPUT = os.path.join(CHECKOUT, "docs", "session.svg")

SESSION = (
    "dinv create dev",
    "dinv load dev web",
    "eval $(dinv env dev)",
    "docker run -d --name web -p 8080:80 web",
    "curl http://$(dinv ip dev):8080/",
    "dinv ls",
    "dinv rm -y dev",
)
COLUMNS, ROWS = 92, 100
PROMPT = "\033[1;32m$\033[0m "

# Self-contained: no font, style or picture from elsewhere. Each piece of text says how long it is, so any
# monospaced font will do. It is dark on pages of either kind.
TEMPLATE = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" class="{unique_id}">
<title>A session with dinv</title>
<desc>DESCRIPTION</desc>
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px;
}}
.{unique_id}-title {{ font-size: 16px; font-family: system-ui, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""

THEME = TerminalTheme(
    (27, 31, 36),
    (208, 215, 222),
    [
        (72, 79, 88),
        (255, 123, 114),
        (86, 211, 100),
        (227, 179, 65),
        (121, 192, 255),
        (210, 168, 255),
        (86, 212, 221),
        (208, 215, 222),
    ],
)

_CONTROL = re.compile(r"\033\[([?0-9;]*)([A-Za-z])")


def main(words: list[str]) -> int:
    """Record, and write the picture."""
    if len(words) > 1 or os.geteuid() != 0:
        sys.stderr.write("usage: scripts/session.py [IMAGE.tar], as root\n")
        return 2
    home = tempfile.mkdtemp(prefix="dinv-session-")
    environment = {
        "HOME": home,
        "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}",
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
    }
    try:
        subprocess.run(["dinv", "engine", "start"], env=environment, check=True)
        try:
            _fill_engine(environment, words)
            said = _record(environment)
        finally:
            subprocess.run(
                ["dinv", "rm", "-f", "-y", "dev"], env=environment, capture_output=True, check=False
            )
            subprocess.run(["dinv", "engine", "stop"], env=environment, check=True)
    finally:
        shutil.rmtree(home)
    with open(OUTPUT, "w", encoding="utf-8") as file:
        file.write(svg(said))
    return 0


def _socket(environment: dict[str, str]) -> str:
    return os.path.join(environment["HOME"], ".docker", "machine", "engine", "docker.sock")


def _fill_engine(environment: dict[str, str], images: list[str]) -> None:
    """The machine image, and an image `web` with a page in it, on the engine."""
    docker = ["docker", "-H", f"unix://{_socket(environment)}"]
    if images:
        subprocess.run([*docker, "load", "-i", images[0]], check=True)
    else:
        subprocess.run(["dinv", "image", "build"], env=environment, check=True)
    tree = os.path.join(environment["HOME"], "web")
    os.makedirs(os.path.join(tree, "bin"))
    os.makedirs(os.path.join(tree, "www"))
    shutil.copy("/bin/busybox", os.path.join(tree, "bin"))
    with open(os.path.join(tree, "www", "index.html"), "w", encoding="utf-8") as file:
        file.write("Hello from a container in a machine\n")
    command = 'CMD ["/bin/busybox", "httpd", "-f", "-p", "80", "-h", "/www"]'
    with subprocess.Popen(["tar", "-C", tree, "-c", "."], stdout=subprocess.PIPE) as tar:
        subprocess.run([*docker, "import", "--change", command, "-", "web"], stdin=tar.stdout, check=True)


def _record(environment: dict[str, str]) -> str:
    """What a terminal shows of the session."""
    # In mounts of its own, where the engine is at the address that Docker has.
    script = [
        "set -e",
        "mount -t tmpfs none /run",
        f"ln -s {shlex.quote(_socket(environment))} /run/docker.sock",
    ]
    for line in SESSION:
        script += [f"printf '%s%s\\n' {shlex.quote(PROMPT)} {shlex.quote(line)}", line]
    inner = ["unshare", "--mount", "bash", "-c", "\n".join(script)]
    child, terminal = pty.fork()
    if child == 0:
        ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        os.chdir(environment["HOME"])
        os.execvpe(inner[0], inner, environment)  # noqa: S606  (the child of a fork)
    said = b""
    try:
        while part := os.read(terminal, 65536):
            said += part
    except OSError as error:
        if error.errno != errno.EIO:  # Linux says so when the other side has closed
            raise
    _, status = os.waitpid(child, 0)
    text = said.decode()
    if status:
        raise SystemExit(f"The session has failed:\n{text}")
    return text


def shown(text: str) -> str:
    """What stands on the screen at the end: lines with their colours, without those drawn over or erased."""
    lines = [""]
    position = 0
    for match in _CONTROL.finditer(text):
        lines = _typed(lines, text[position : match.start()])
        position = match.end()
        parameter, kind = match.groups()
        if kind == "m":
            lines[-1] += match[0]
        elif kind == "K":  # rich erases a whole line, from its beginning or not
            lines[-1] = ""
        elif kind == "A":
            del lines[len(lines) - int(parameter or 1) :]
        elif parameter not in ("?25", "?2004"):  # the cursor; marks of what is pasted
            raise SystemExit(f"The session has a control sequence that is not known here: {match[0]!r}")
    lines = _typed(lines, text[position:])
    return "\n".join(line.rstrip() for line in lines).strip("\n")


def _typed(lines: list[str], text: str) -> list[str]:
    first, *more = text.replace("\r\n", "\n").split("\n")
    lines[-1] += first.replace("\r", "")
    return [*lines, *more]


def svg(said: str) -> str:
    """The picture of what a terminal has been sent."""
    text = shown(said)
    # The identity of a container is 64 digits, and of no use to anybody.
    text = re.sub(r"\b([0-9a-f]{12})[0-9a-f]{52}\b", r"\1...", text)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        for place, line in enumerate(text.split("\n")):
            if place and line.startswith(PROMPT):
                console.print()
            console.print(Text.from_ansi(line), soft_wrap=True)
        description = " ".join(_escaped(line) for line in SESSION)
        template = TEMPLATE.replace("DESCRIPTION", description)
        return console.export_svg(title="dinv", theme=THEME, code_format=template, unique_id="dinv")


def _escaped(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return textwrap.shorten(text, 200) + ";"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

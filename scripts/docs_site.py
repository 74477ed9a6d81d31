"""Build the site of docs/ by Sphinx: gather the pages, turn their links, make the menu; see scripts/docs.

The project's pages are written to be read in the checkout, with links from file to file. The README,
CONTRIBUTING and a few more stand outside docs/: the site has them under names of their own, and links in both
directions lead to where pages are there. A link to what is not a page, such as a source file, becomes the
file's name.
"""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import sys
import tempfile

CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

TAKEN_IN = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "readme.md",
    "SECURITY.md": "reporting.md",
    "examples/README.md": "examples.md",
    "images/README.md": "image.md",
}
"""Pages outside docs/, by their path in the checkout, and what they are called in the site."""

MENU = {
    "Begin": ("readme", "create", "cli", "endpoints", "completion"),
    "Use": (
        "clients",
        "files-and-commands",
        "ssh",
        "formats",
        "day2",
        "apply",
        "pools",
        "caches",
        "volumes",
        "swarm",
        "kubernetes",
        "datacenter",
        "images",
        "kubeconfig",
        "vm",
        "linuxkit",
        "lifecycle",
        "certificates",
        "sharing",
        "server",
        "login",
        "leases",
        "server-templates",
        "scale",
        "authorities",
        "hooks",
        "store",
        "security",
    ),
    "In programs": ("ci", "library", "provisioners", "examples", "image"),
    "Coming from": ("docker-machine", "dch-photon", "vic", "vch-simulator"),
    "The project": (
        "releases",
        "changelog",
        "hosts",
        "benchmarks",
        "design",
        "dependencies",
        "contributing",
        "reporting",
    ),
}
"""Every page but the index, which is the first; one that is in no menu is an error of the build."""

LABELS = {
    "caches": "Registry caches",
    "create": "Create",
    "datacenter": "Docker Datacenter",
    "day2": "After the create",
    "formats": "Formats and filters",
    "image": "The machine image",
    "images": "Images of your own",
    "kubeconfig": "kubectl",
    "leases": "Leases",
    "library": "The library",
    "linuxkit": "LinuxKit",
    "lifecycle": "Steps",
    "readme": "README",
    "releases": "Releases",
    "security": "Security",
    "scale": "How far a server goes",
    "server-templates": "Templates and quotas",
    "sharing": "Sharing",
    "vm": "Virtual machines",
    "vic": "vSphere Integrated Containers",
}
"""What pages are called in the menu whose titles are long, or code."""

_LINK = re.compile(r"(!?\[(?:[^\]`]|`[^`]*`)*\])\(([^)#\s]*)(#[^)\s]*)?\)")
_PICTURE = re.compile(r'<picture>.*?<img alt="([^"]*)" src="([^"]*)">.*?</picture>', re.DOTALL)
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def main(words: list[str]) -> int:
    """Build into the directory that is named; returns the exit status."""
    from sphinx.cmd.build import main as sphinx

    (site,) = words
    with tempfile.TemporaryDirectory(prefix="dinv-docs-") as scratch:
        pages = os.path.join(scratch, "pages")
        gather(pages)
        settings = os.path.join(CHECKOUT, "scripts", "site")
        # -W: what Sphinx warns of is an error; -n: and so is every link that leads nowhere.
        options = ["-q", "-W", "--keep-going", "-n", "-c", settings, "-d", os.path.join(scratch, "doctrees")]
        return int(sphinx(["-b", "html", *options, pages, site]))


def gather(pages: str) -> None:
    """Write all pages, and what they show, into the directory `pages`."""
    docs = os.path.join(CHECKOUT, "docs")
    shutil.copytree(docs, pages)
    sources = {f"docs/{name}": name for name in sorted(os.listdir(docs)) if name.endswith(".md")}
    sources |= {path: name for path, name in TAKEN_IN.items() if os.path.exists(os.path.join(CHECKOUT, path))}
    for path, name in sources.items():
        with open(os.path.join(CHECKOUT, path), encoding="utf-8") as file:
            text = file.read()
        with open(os.path.join(pages, name), "w", encoding="utf-8") as file:
            file.write(turned(text, path, sources))
            if name == "index.md":
                file.write(menu(set(sources.values())))


def menu(names: set[str]) -> str:
    """The menu as Sphinx reads it; of pages that are not there, such as a SECURITY.md, nothing."""
    found = []
    for title, pages in MENU.items():
        there = [page for page in pages if f"{page}.md" in names or page not in map(_stem, TAKEN_IN.values())]
        lines = [f"{LABELS[page]} <{page}>" if page in LABELS else page for page in there]
        found += ["", "```{toctree}", ":hidden:", f":caption: {title}", "", *lines, "```"]
    return "\n".join(found) + "\n"


def _stem(name: str) -> str:
    return name.removesuffix(".md")


def turned(text: str, here: str, sources: dict[str, str]) -> str:
    """A page whose links lead to where things are in the site. `here` is its path in the checkout."""

    def turn(match: re.Match[str]) -> str:
        shown, target, anchor = match[1], match[2], match[3] or ""
        if not target or "://" in target:
            return match[0]
        there = posixpath.normpath(posixpath.join(posixpath.dirname(here), target))
        if there in sources:
            return f"{shown}({sources[there]}{anchor})"
        if there.startswith("docs/"):
            return f"{shown}({there.removeprefix('docs/')}{anchor})"
        if os.path.exists(os.path.join(CHECKOUT, there)):
            return f"{shown[1:-1]} (`{there}`)"
        return match[0]  # Sphinx says that there is no such thing

    # Of a picture for each scheme, the site shows the light one: its pages are light.
    text = _PICTURE.sub(r"![\1](\2)", text)
    parts = []
    position = 0
    for fence in _FENCE.finditer(text):
        parts += [_LINK.sub(turn, text[position : fence.start()]), fence[0]]
        position = fence.end()
    return "".join([*parts, _LINK.sub(turn, text[position:])])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.engine.reference import parse_reference
from dinv.errors import InputError

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("busybox", "docker.io", "library/busybox", None, None),
        ("busybox:1", "docker.io", "library/busybox", "1", None),
        ("me/app", "docker.io", "me/app", None, None),
        ("docker.io/busybox", "docker.io", "library/busybox", None, None),
        ("index.docker.io/me/app:x", "docker.io", "me/app", "x", None),
        ("localhost/app", "localhost", "app", None, None),
        ("localhost:5000/app", "localhost:5000", "app", None, None),
        ("localhost:5000/app:tag", "localhost:5000", "app", "tag", None),
        ("host.example:5000/a/b/c:v1.0", "host.example:5000", "a/b/c", "v1.0", None),
        ("[::1]:5000/a", "[::1]:5000", "a", None, None),
        (f"busybox@{DIGEST}", "docker.io", "library/busybox", None, DIGEST),
        (f"h:1/a/b:tag@{DIGEST}", "h:1", "a/b", "tag", DIGEST),
        ("dinv:latest", "docker.io", "library/dinv", "latest", None),
    ],
)
def test_parts(text: str, registry: str, repository: str, tag: str | None, digest: str | None) -> None:
    found = parse_reference(text)
    assert (found.registry, found.repository, found.tag, found.digest) == (registry, repository, tag, digest)
    assert found.version == (digest or tag or "latest")
    assert text.startswith(found.name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Busybox",
        "a b",
        "a:",
        "a@",
        "a@sha256:12",
        "a//b",
        "/a",
        "a/",
        "-a",
        "a:b c",
        "h:x/a",
        ":5000/a",
        "a" * 256,
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not the name of an image"):
        parse_reference(text)


component = st.from_regex(r"[a-z0-9]+([._-][a-z0-9]+)?", fullmatch=True)


@given(
    st.sampled_from(["", "localhost/", "h.example/", "h:5000/", "10.0.0.1:5000/", "[fe80::1]:443/"]),
    st.lists(component, min_size=1, max_size=3).map("/".join),
    st.one_of(st.just(""), st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)),
    st.sampled_from(["", f"@{DIGEST}"]),
)
def test_taken_apart_and_put_together(registry: str, path: str, tag: str, digest: str) -> None:
    # A first component with a dot would be a registry.
    path = path if registry else f"library/{path}"
    text = registry + path + (f":{tag}" if tag else "") + digest
    found = parse_reference(text)
    assert found.registry == (registry.rstrip("/") or "docker.io")
    assert found.repository == path
    assert found.tag == (tag or None)
    assert found.digest == (digest[1:] or None)
    assert found.name == registry + path


@given(st.text(max_size=60))
def test_anything_is_a_reference_or_an_input_error(text: str) -> None:
    try:
        parse_reference(text)
    except InputError:
        return
    assert text

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from kubeconfigs import IDENTITY, contents, entry, written

from dinv.formats import kubeconfig
from dinv.formats.kubeconfig.document import LISTS


def loaded(content: bytes) -> dict[str, Any]:
    found = yaml.safe_load(content.decode("utf-8-sig"))
    return found if isinstance(found, dict) else {}


def foreign(content: bytes, *, but: str = IDENTITY) -> dict[str, Any]:
    """What it says besides the machine's entries; an empty list is as good as none."""
    found = loaded(content)
    own = set()
    for kind, key in LISTS.items():
        items = found.pop(kind, None) or []
        ours = [item for item in items if but in str((item.get(key) or {}).get("extensions"))]
        own |= {item["name"] for item in ours}
        if staying := [item for item in items if item not in ours]:
            found[kind] = staying
    if found.get("current-context") in own | {"", None}:
        found.pop("current-context", None)
    return found


@settings(max_examples=30)
@given(content=st.data())
def test_what_is_of_others_is_byte_for_byte_the_same_after_an_entry_came_and_went(
    content: st.DataObject,
) -> None:
    text = content.draw(written(content.draw(contents(least=1))))
    new, name = kubeconfig.added(text, entry())
    assert name in ("k1", "dinv-k1")
    assert kubeconfig.removed(new, IDENTITY) == (text, [name])


@settings(max_examples=30)
@given(content=st.data())
def test_any_kubeconfig_gets_an_entry_and_says_of_others_what_it_said(content: st.DataObject) -> None:
    text = content.draw(written(content.draw(contents())))
    new, name = kubeconfig.added(text, entry())
    assert foreign(new) == foreign(text)
    found = loaded(new)
    contexts = {item["name"]: item["context"] for item in found["contexts"]}
    assert (contexts[name]["cluster"], contexts[name]["user"]) == (name, name)
    clusters = {item["name"]: item["cluster"] for item in found["clusters"]}
    assert clusters[name]["server"] == "https://192.0.2.7:6443"
    assert found["current-context"] == (loaded(text).get("current-context") or name)
    gone, names = kubeconfig.removed(new, IDENTITY)
    assert names == [name]
    assert foreign(gone) == foreign(text)
    # Once it has its lists, a second time changes nothing at all.
    assert kubeconfig.removed(kubeconfig.added(gone, entry())[0], IDENTITY)[0] == gone


@settings(max_examples=15)
@given(content=st.data())
def test_two_machines_have_an_entry_each(content: st.DataObject) -> None:
    text = content.draw(written(content.draw(contents())))
    one, first = kubeconfig.added(text, entry())
    both, second = kubeconfig.added(one, entry("k2", "feed"))
    assert first != second
    assert foreign(kubeconfig.removed(both, IDENTITY)[0], but="feed") == foreign(text)
    assert kubeconfig.removed(both, "feed")[0] == one or loaded(one)["current-context"] != "k2"


@settings(max_examples=100)
@given(st.binary(max_size=60) | st.text("ab:-[]{}#&*!|>'\"\n \t?,%", max_size=60).map(str.encode))
def test_no_content_ends_in_anything_but_a_reason(content: bytes) -> None:
    try:
        new, name = kubeconfig.added(content, entry())
    except ValueError:
        return
    assert kubeconfig.removed(new, IDENTITY)[1] == [name]


WRONG = {
    "a: [": "it is not YAML (line 1:",
    "a: 1\na: 2\n": 'the key "a" twice in one place (line 2)',
    "users:\n- name: a\n  user: {b: 1, b: 2}\n": 'the key "b" twice in one place (line 3)',
    "kind: Deployment\n": 'its kind is "Deployment", not "Config"',
    "apiVersion: v2\n": 'its apiVersion is "v2", not "v1"',
    "- a\n": "it is not a kubeconfig",
    "text": "it is not a kubeconfig",
    "clusters: {a: b}\n": '"clusters" are no list (line 1)',
    "kind: Config\n---\nkind: Config\n": "it has several documents (line 2)",
    "clusters: &all []\nusers: *all\n": '"users" is an alias',
    "contexts:\n- name: a\n- name: a\n": 'two contexts of the name "a"',
    "a: *b\n": 'there is no anchor "b"',
    "a: &a [*a]\n": 'there is no anchor "a"',
    "[" * 51 + "]" * 51: "it is nested too deep",
    "a: \x00\n": "it has a character that YAML does not allow",
    "current-context: &c ''\n": "is an alias, or has an anchor",
}


@pytest.mark.parametrize("content", WRONG)
def test_what_cannot_be_changed_is_refused_with_the_reason(content: str) -> None:
    with pytest.raises(ValueError, match=re.escape(WRONG[content])):
        kubeconfig.added(content.encode(), entry())


@pytest.mark.parametrize(
    ("content", "reason"), [(b"\xff\xfek\x00", "UTF-16"), (b"a: \xff", "not UTF-8 (byte 3)")]
)
def test_only_utf_8_is_read(content: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        kubeconfig.names(content)


def test_an_entry_of_a_name_that_others_have_gets_another() -> None:
    taken = b"users:\n- name: k1\n  user: {}\n"
    new, name = kubeconfig.added(taken, entry())
    assert name == "dinv-k1"
    assert kubeconfig.added(b"", entry(), taken=["k1"])[1] == "dinv-k1"
    with pytest.raises(ValueError, match="entries k1 and dinv-k1 already"):
        kubeconfig.added(b"", entry(), taken=["k1", "dinv-k1"])
    # Once it has a name it keeps it.
    free = new.replace(b"- name: k1\n  user: {}\n", b"")
    assert kubeconfig.added(free, entry(server="https://192.0.2.8:1"))[1] == "dinv-k1"


def test_an_entry_that_is_there_is_replaced() -> None:
    new, _ = kubeconfig.added(b"", entry(server="https://192.0.2.7:1"))
    again, name = kubeconfig.added(new, entry(server="https://192.0.2.8:2"))
    assert name == "k1"
    assert again == new.replace(b"https://192.0.2.7:1", b"https://192.0.2.8:2")


def test_the_current_context_is_changed_if_there_is_none_or_it_is_wanted() -> None:
    theirs = b"current-context: theirs # mine\n"
    assert kubeconfig.current(kubeconfig.added(b"", entry())[0]) == "k1"
    assert kubeconfig.current(kubeconfig.added(b"", entry(), use=False)[0]) == ""
    assert kubeconfig.current(kubeconfig.added(theirs, entry())[0]) == "theirs"
    used, _ = kubeconfig.added(theirs, entry(), use=True)
    assert b"current-context: k1 # mine\n" in used
    assert kubeconfig.current(kubeconfig.added(used, entry(), use=False)[0]) == "k1"
    assert b'current-context: "" # mine\n' in kubeconfig.removed(used, IDENTITY)[0]


def test_comments_around_an_entry_stay() -> None:
    text = (
        b"# mine\nclusters:\n- name: a # first\n  cluster: {}\n# of contexts\ncontexts: []  # none yet\n# end"
    )
    new, _ = kubeconfig.added(text, entry())
    assert new.count(b"#") == text.count(b"#")
    assert b"  cluster: {}\n- cluster:\n" in new
    assert b"\n# of contexts\ncontexts:  # none yet\n- context:\n" in new
    assert kubeconfig.removed(new, IDENTITY)[0].startswith(text.removesuffix(b"# end"))


def test_what_is_written_is_what_kubectl_needs() -> None:
    found = loaded(kubeconfig.added(b"", entry())[0])
    cluster = found["clusters"][0]["cluster"]
    assert cluster["server"] == "https://192.0.2.7:6443"
    assert b"\nca\n" in base64.b64decode(cluster["certificate-authority-data"])
    assert b"\nclient\n" in base64.b64decode(found["users"][0]["user"]["client-certificate-data"])
    assert b"\nkey\n" in base64.b64decode(found["users"][0]["user"]["client-key-data"])
    mark = {"machine": "k1", "id": IDENTITY, "store": "/home/ann/.docker/machine"}
    for kind, key in LISTS.items():
        assert found[kind][0][key]["extensions"] == [{"name": "dinv", "extension": mark}]


@given(st.text(max_size=20), st.sampled_from([b"", b"{}", b'{"clusters":[{"name":"a"}]}']))
def test_any_path_of_a_store_can_be_marked(store: str, before: bytes) -> None:
    made = kubeconfig.Entry(
        "k1",
        cluster_ca=b"",
        server="https://[::1]:1",
        client_certificate=b"",
        client_key=b"",
        identity="1e5",
        machine="k1",
        store=store,
    )
    found = loaded(kubeconfig.added(before, made)[0])
    mark = found["clusters"][-1]["cluster"]["extensions"][0]["extension"]
    assert mark == {"id": "1e5", "machine": "k1", "store": store}

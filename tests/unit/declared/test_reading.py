"""Files of machines, read: what they say, and all that is wrong in them with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from dinv.declaration import Option
from dinv.declared.kinds import Kind, fleet, name_of_file
from dinv.declared.reading import read, read_file
from dinv.declared.shapes import Keys, Many, Switch, Text, Whole
from dinv.errors import InputError
from dinv.errors.declared import DeclarationError

if TYPE_CHECKING:
    from pathlib import Path

    from dinv.declared.reading import Document

HEAD = "apiVersion: dinv/v1\nname: shop\n"


def document(text: str, variables: dict[str, str] | None = None) -> Document:
    return read(HEAD + text, kinds=[fleet()], variables=variables if variables is not None else {})


def machine(options: str, variables: dict[str, str] | None = None) -> Any:
    found = document(f"machines:\n  dev: {{{options}}}\n", variables)
    return found.values["machines"]["dev"]


def problems(text: str, variables: dict[str, str] | None = None) -> str:
    with pytest.raises(DeclarationError) as caught:
        document(text, variables)
    assert all(each.line >= 1 and each.column >= 1 for each in caught.value.problems)
    return str(caught.value)


def test_what_a_file_says() -> None:
    found = document(
        """
defaults: {cpus: 2, label: {team: red, ci: true}}
x-anything: {here: [is, skipped]}
caches:
  hub: {upstream: [docker.io, ghcr.io], push: true}
machines:
  dev:
    memory: 4g
    cpus: 0.5
    dns: [1.1.1.1, "2606:4700::1111"]
  bare:
  plain: {label:}
"""
    )
    assert (found.kind, found.name) == ("Fleet", "shop")
    assert found.values == {
        "name": "shop",
        "defaults": {"cpus": 2, "label": {"team": "red", "ci": "true"}},
        "caches": {"hub": {"upstream": ["docker.io", "ghcr.io"], "push": True}},
        "machines": {
            "dev": {
                "memory": "4g",
                "cpus": 0.5,
                "dns": ["1.1.1.1", "2606:4700::1111"],
                "label": {"team": "red", "ci": "true"},
            },
            "bare": {"cpus": 2, "label": {"team": "red", "ci": "true"}},
            "plain": {"cpus": 2},
        },
    }
    assert found.places["machines.dev.memory"] == (10, 5)


def test_texts_stay_what_stands_there() -> None:
    assert machine("network: no, tls-san: [no, on, 1.10, 010, 1:30, 0x10]") == {
        "network": "no",
        "tls-san": ["no", "on", "1.10", "010", "1:30", "0x10"],
    }


def test_variables_have_the_type_of_their_option() -> None:
    variables = {"CPUS": "1.5", "MEMORY": "2g", "CONTEXT": "false", "NAME": "true", "INJECTED": "1g, cpus: 9"}
    found = machine(
        'cpus: "${CPUS}", memory: "${MEMORY:-1g}", context: "${CONTEXT}", tls-san: ["a.${NAME}", "$$x"]',
        variables,
    )
    assert found == {"cpus": 1.5, "memory": "2g", "context": False, "tls-san": ["a.true", "$x"]}
    said = problems('machines:\n  dev: {memory: "${INJECTED}"}', variables)
    assert (
        said == "line 4, column 17: machines.dev.memory = '1g, cpus: 9' is not a size; "
        "write a number and a unit, such as 512m or 2g"
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("memroy: 4g", 'line 4, column 9: machines.dev has no key "memroy". Did you mean "memory"?'),
        ("cache_size: 4g", 'has no key "cache_size". Write it as the flag: cache-size'),
        ("no-context: true", 'has no key "no-context". Write "context: false"'),
        ('"--memory": 4g', 'has no key "--memory". Write it without dashes before it: memory'),
        ("url: tcp://x:1", 'has no key "url" here. It is an option of the driver "none"'),
        ("memory: lots", "machines.dev.memory = 'lots' is not a size"),
        ("memory: -5", "= -5 is not a size"),
        ("memory: 1.5", "= 1.5 is not a size"),
        ('memory: ""', "machines.dev.memory is empty, and has to be a size, such as 4g"),
        ("memory: [4g]", "machines.dev.memory is a list, and has to be a size, such as 4g"),
        ('cpus: "2"', "machines.dev.cpus is a text, and has to be a number: no quotes"),
        ("cpus: two", "is a text, and has to be a number"),
        ("cpus: 02", "= 02 would be another number where YAML 1.1 is read"),
        ("cpus: .nan", "is not a number to count with"),
        ("context: no", "machines.dev.context = 'no' is neither true nor false: no is a text in YAML 1.2"),
        ('context: "true"', "= 'true' is neither true nor false"),
        ("network: true", 'is true, which is not a text: write "true" with quotes'),
        ("dns: 1.1.1.1", "machines.dev.dns is a single value, and has to be a list"),
        ("dns: [[1.1.1.1]]", "machines.dev.dns[0] is a list, and has to be a text"),
        ("label: [team]", "machines.dev.label = 'team' is not KEY=VALUE"),
        ('label: {team:, "a=b": c}', "'a=b', which cannot be a key"),
        (
            'label: {"${TEAM}": a}',
            "has '${TEAM}': keys have no variables. A list of pairs has",
        ),
        ("label: red", "machines.dev.label is a single value, and has to be a mapping or a list"),
        ("label: {team:}", 'machines.dev.label.team is empty: write "" for an empty text'),
        ("label: {team: [a]}", "machines.dev.label.team is a list, and has to be a text"),
        ("cert-lifetime: 1:30", "= '1:30' is not a duration"),
        ("cert-lifetime: 90", "= '90' is not a duration"),
        ("cert-lifetime: 1m", "= '1m' is not between 5m and 3650d"),
        ("timeout: 0", "is not a number of seconds above 0"),
        ("memory: ${NAME}", "This is not YAML"),
        ('memory: "${NAME}"', "machines.dev.memory needs the variable NAME, which is not set"),
        ('memory: "${NAME:?say how much}"', "needs the variable NAME: say how much"),
        ("driver: dokcer", "machines.dev.driver = 'dokcer' is not one. Did you mean \"docker\"?"),
        (
            "authority: vault, vault-token: s3cr3t, vault-addr: 'https://v'",
            "is a secret, which is not kept in a",
        ),
        ("driver: none, memory: 4g", 'has no key "memory" here. It is an option of the driver "docker"'),
    ],
)
def test_what_is_wrong_with_an_option(options: str, said: str) -> None:
    found = problems(f"machines:\n  dev: {{{options}}}\n")
    assert said in found
    assert "s3cr3t" not in found


def test_a_secret_comes_from_a_variable_and_is_never_said() -> None:
    options = 'authority: vault, vault-addr: "https://v:8200", vault-token: "${TOKEN}"'
    assert machine(options, {"TOKEN": "s3cr3t"})["vault-token"] == "s3cr3t"
    for bad in ('"${TOKEN:-s3cr3t}"', '"s3cr3t"', '"x${TOKEN}"', "[s3cr3t]"):
        said = problems(f"machines:\n  dev: {{authority: vault, vault-token: {bad}}}", {"TOKEN": "s3cr3t"})
        assert "vault-token is a secret" in said
        assert "s3cr3t" not in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1, column 1: The file is empty. It begins with: apiVersion: dinv/v1"),
        ("- a", "The file is not a mapping of keys to values. It begins with: apiVersion: dinv/v1"),
        ("name: a", 'line 1, column 1: The file has no "apiVersion"'),
        ("apiVersion: dinv/v2\nname: a\nmachines: 3", "line 1, column 13: apiVersion = 'dinv/v2' is not"),
        ("apiVersion: dinv/v1", 'The file has no "name"'),
        ("apiVersion: dinv/v1\nname: A b", "line 2, column 7: name = 'A b' is not a name: small letters"),
        ("apiVersion: dinv/v1\nname: " + "a" * 70, "name has more than 63 characters"),
        ("apiVersion: dinv/v1\nname: a\nkind: Flet", 'There is: Fleet. Did you mean "Fleet"?'),
        ("apiVersion: dinv/v1\nname: a\nmachine: {}", 'has no key "machine". Did you mean "machines"?'),
        ("apiVersion: dinv/v1\nname: a\nmachines: [dev]", "machines is a list, and has to be a mapping"),
        ("apiVersion: dinv/v1\nname: a\nmachines: {b_x: {}}", "machines has 'b_x', which is not a machine"),
        ("apiVersion: dinv/v1\nname: a\ncaches: {c: {push: yes}}", "caches.c.push = 'yes' is neither"),
        ("apiVersion: dinv/v1\nname: a\ndefaults: {memroy: 3}", 'defaults has no key "memroy". Did you mean'),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_document(text: str, said: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        read(text, kinds=[fleet()], variables={})
    assert said in str(caught.value)


def test_all_of_it_is_said_at_once_in_the_order_of_the_file() -> None:
    said = problems(
        "machines:\n  dev: {memroy: 1, cpus: x}\n  ci:\n  ci: {dns: 3, authority: nope, memory: many}\n"
    )
    assert [line.split(":")[0] for line in said.splitlines()] == [
        "line 4, column 9",
        "line 4, column 26",
        "line 6, column 3",
        "line 6, column 13",
        "line 6, column 27",
        "line 6, column 41",
    ]


def test_what_is_wrong_in_the_defaults_is_said_once() -> None:
    said = problems("defaults: {memory: lots, url: tcp://a:1}\nmachines: {a: , b: , c: }")
    assert said.count("\n") == 0
    assert said.startswith("line 3, column 20: defaults.memory = 'lots'")


def test_defaults_are_for_what_has_them() -> None:
    found = document("defaults: {memory: 2g}\nmachines:\n  a: {driver: none, url: 'tcp://h:1'}\n  b:\n")
    assert found.values["machines"] == {"a": {"driver": "none", "url": "tcp://h:1"}, "b": {"memory": "2g"}}


def test_a_file_names_itself_and_paths_are_meant_from_it(tmp_path: Path) -> None:
    (tmp_path / "dinv.yaml").write_text(HEAD + "machines:\n  dev: {endpoint-cert-path: certs}\n")
    path = str(tmp_path / "dinv.yaml")
    found = read_file(path, kinds=[fleet()], variables={})
    assert found.values["machines"]["dev"] == {"endpoint-cert-path": str(tmp_path / "certs")}
    (tmp_path / "dinv.yaml").write_bytes(b"apiVersion: dinv/v1\nname: \xff")
    with pytest.raises(DeclarationError, match=r"dinv\.yaml, line 2, column 7: This is not text in UTF-8"):
        read_file(path, kinds=[fleet()], variables={})
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_file(str(tmp_path / "gone.yaml"), kinds=[fleet()], variables={})


def test_the_environment_chooses_as_for_create() -> None:
    text = HEAD + "machines: {dev: {url: 'tcp://h:1'}}"
    found = read(text, kinds=[fleet({"MACHINE_DRIVER": "none"})], variables={})
    assert found.values["machines"]["dev"] == {"url": "tcp://h:1"}


TEMPLATE = Kind(
    "Template",
    {
        "name": name_of_file(),
        "title": Text(longest=10),
        "days": Whole(least=1, most=30),
        "open": Switch(),
        "tags": Many(Text(pattern="[a-z]+", due="a word")),
        "inside": Keys({"x": Text()}, needed=["x"]),
    },
)


def test_others_bring_their_kinds() -> None:
    head = "apiVersion: dinv/v1\nkind: Template\nname: t\n"
    found = read(
        head + "title: Large\ndays: 3\nopen: true\ntags: [a, b]\ninside: {x: 1}",
        kinds=[TEMPLATE],
        variables=None,
    )
    assert found.kind == "Template"
    assert found.values == {
        "name": "t", "title": "Large", "days": 3, "open": True, "tags": ["a", "b"], "inside": {"x": "1"},
    }  # fmt: skip
    bad = "title: much too long\ndays: 31\nopen: on\ntags: [A]\ninside: {}\n"
    with pytest.raises(DeclarationError) as caught:
        read(head + bad, kinds=[fleet(), TEMPLATE], variables=None)
    assert len(caught.value.problems) == 5
    with pytest.raises(DeclarationError, match='has no "kind"'):
        read(HEAD, kinds=[TEMPLATE], variables=None)
    with pytest.raises(DeclarationError, match="there are none here"):
        read(head + "title: $HOME", kinds=[TEMPLATE], variables=None)


words = some.sampled_from(
    ["apiVersion: dinv/v1\n", "name: a\n", "machines:\n", "  dev:\n", "    memory: ", "4g\n", "- ", "{", "}",
     "[", "]", ": ", "&a", "*a", "<<: ", "caches:\n", "  c: {upstream: [docker.io]}\n", "${A}", "$", '"',
     "null", "~", "driver: none", "\n", "# ", "!!x ", "---\n", "x-", "defaults:\n", "  cpus: 1\n"]
)  # fmt: skip


@given(some.lists(words, max_size=25).map("".join))
def test_any_text_is_a_document_or_has_problems(text: str) -> None:
    try:
        found = read(text, kinds=[fleet()], variables={"A": "1"})
    except DeclarationError as error:
        assert error.problems  # noqa: PT017  (it need not be one)
    else:
        assert found.name


def test_options_of_plugins_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    from fake_driver import FakeDriver

    from dinv import drivers

    monkeypatch.setitem(drivers._BUILT_IN, "fake", "fake_driver:FakeDriver")
    assert machine("driver: fake, size: 3, cache-mark: [a]") == {
        "driver": "fake", "size": "3", "cache-mark": ["a"],
    }  # fmt: skip
    assert all(isinstance(each, Option) for each in FakeDriver.create_flags())

"""A document in its canonical form: what it says once defaults, aliases and variables are put in."""

from __future__ import annotations

from dinv.declared import wanted
from dinv.declared.kinds import API_VERSION
from dinv.declared.wanted import SECTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dinv.declared.reading import Document


def text(document: Document, store: str) -> str:
    """Return it as YAML that can be read again. Secrets stay variables; private values are shown by name."""
    import yaml

    found: dict[str, Any] = {"apiVersion": API_VERSION, "kind": document.kind, "name": document.name}
    things = wanted.of([document], store)
    for section, kind in SECTIONS.items():
        entries = {each.name: _options(each) for each in things if each.kind == kind}
        if entries:
            found[section] = entries
    said = yaml.dump(found, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6)
    return str(said)


def _options(each: wanted.Wanted) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key in sorted(each.options):
        option, value = each.declared[key], each.options[key]
        if option.secret:
            value = f"${{{option.env}}}"
        elif option.private:
            names = value if isinstance(value, dict) else [str(pair).partition("=")[0] for pair in value]
            value = {name: f"${{{name}}}" for name in names}
        else:
            value = _escaped(value)
        found[option.name] = value
    return found


def _escaped(value: Any) -> Any:
    """Return a value with dollar signs that stay dollar signs when it is read again."""
    if isinstance(value, dict):
        return {key: _escaped(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_escaped(each) for each in value]
    return value.replace("$", "$$") if isinstance(value, str) else value


def _dumper() -> Any:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Indents lists as people do, and repeats what an alias would stand for."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:  # noqa: FBT001, FBT002
            return super().increase_indent(flow, indentless=False)

    return Dumper


_Dumper = _dumper()

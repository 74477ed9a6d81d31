"""Tokens to nodes (Go: text/template/parse/parse.go)."""

from __future__ import annotations

from dinv.formats.template import lexer
from dinv.formats.template.literals import character, number, string
from dinv.formats.template.nodes import (
    Action,
    Branch,
    Command,
    Dot,
    Fields,
    Function,
    Jump,
    Literal,
    Pipe,
    Text,
    Variable,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    from dinv.errors import TemplateError
    from dinv.formats.template.lexer import Source, Token
    from dinv.formats.template.nodes import Node

DEEPEST = 50
"""How deep parentheses, and `if` in `if`, may nest; a level takes a few Python frames to parse and run."""

_BRANCHES = ("if", "range", "with")
_KEYWORDS = frozenset((*_BRANCHES, "else", "end", "break", "continue", "define", "template", "block"))
_CONSTANTS = {"true": True, "false": False, "nil": None}
_MOST_RANGE_VARIABLES = 2


class Parser:
    """Parses one template."""

    def __init__(self, source: Source, tokens: list[Token]) -> None:
        self._source = source
        self._tokens = tokens
        self._next = 0
        self._depth = 0
        self._loops = 0
        self._variables = ["$"]
        self._functions: Container[str] = ()

    def parse(self, functions: Container[str]) -> list[Node]:
        """The template's nodes; `functions` are the names that can be called. Raises TemplateError."""
        self._functions = functions
        nodes, stop = self._list("")
        if stop is not None:
            raise self._error(stop, f"unexpected {{{{{stop.text}}}}}")
        return nodes

    # Tokens

    def _peek(self) -> Token:
        """Return the next token that is not space."""
        while self._tokens[self._next].kind == lexer.SPACE:
            self._next += 1
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._peek()
        self._next += 1
        return token

    def _error(self, token: Token, reason: str) -> TemplateError:
        return self._source.error(token.position, reason)

    def _unexpected(self, token: Token, where: str) -> TemplateError:
        return self._error(token, f"unexpected {token.text!r} in {where}")

    def _deeper(self, token: Token) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._error(token, f"nested deeper than {DEEPEST} levels")

    # Lists and branches

    def _list(self, inside: str) -> tuple[list[Node], Token | None]:
        """Parse nodes up to an `else` or `end`, which is returned too: None at the end of the template."""
        nodes: list[Node] = []
        while True:
            token = self._tokens[self._next]
            self._next += 1
            if token.kind == lexer.END:
                if inside:
                    raise self._error(
                        token, f"unexpected end of the template: {{{{{inside}}}}} has no {{{{end}}}}"
                    )
                return nodes, None
            if token.kind == lexer.TEXT:
                nodes.append(Text(token.position, token.text))
                continue
            first = self._peek()
            if first.kind == lexer.WORD and first.text in _KEYWORDS:
                self._next += 1
                if first.text in ("else", "end"):
                    return nodes, first
                nodes.append(self._keyword(first))
            else:
                nodes.append(Action(self._pipeline("command", lexer.RIGHT)))

    def _keyword(self, word: Token) -> Node:
        if word.text in _BRANCHES:
            return self._branch(word)
        if word.text in ("break", "continue"):
            if not self._loops:
                raise self._error(word, f"{{{{{word.text}}}}} outside {{{{range}}}}")
            self._close(word.text)
            return Jump(word.position, word.text)
        raise self._error(word, f"{word.text} cannot be used: a format is one template")

    def _branch(self, word: Token) -> Node:
        self._deeper(word)
        kind, known = word.text, len(self._variables)
        pipe = self._pipeline(kind, lexer.RIGHT)
        self._loops += kind == "range"
        body, stop = self._list(kind)
        self._loops -= kind == "range"
        # Variables declared in the body are unknown in the else; those declared in the pipeline are known.
        del self._variables[known + len(pipe.variables) * (not pipe.assigns) :]
        otherwise: list[Node] = []
        if stop is not None and stop.text == "else":
            again = self._peek()
            if kind != "range" and again.kind == lexer.WORD and again.text == kind:
                # {{else if}} shares the {{end}} of the first {{if}}.
                self._next += 1
                otherwise = [self._branch(again)]
            else:
                self._close("else")
                otherwise, stop = self._list(kind)
                if stop is not None and stop.text == "else":
                    raise self._error(stop, "expected end; found {{else}}")
                self._close("end")
        else:
            self._close("end")
        del self._variables[known:]
        self._depth -= 1
        return Branch(kind, pipe, body, otherwise)

    def _close(self, where: str) -> None:
        token = self._take()
        if token.kind != lexer.RIGHT:
            raise self._unexpected(token, where)

    # Pipelines

    def _pipeline(self, where: str, end: str) -> Pipe:
        pipe = Pipe(self._peek().position)
        self._declarations(pipe, where)
        while True:
            token = self._peek()
            if token.kind == end:
                break
            if token.kind in (lexer.RIGHT, lexer.END, lexer.CLOSE):
                raise self._unexpected(token, where)
            pipe.commands.append(self._command())
        pipe.end = token.position
        self._next += 1
        if not pipe.commands:
            raise self._error(token, f"missing value for {where}")
        for command in pipe.commands[1:]:
            if isinstance(command.operands[0], Literal | Dot):
                raise self._source.error(command.position, "only a function can take a value from a pipe")
        return pipe

    def _declarations(self, pipe: Pipe, where: str) -> None:
        """`$x :=`, `$x =` and, in range, `$i, $x :=`."""
        names: list[str] = []
        begin = self._next
        while self._peek().kind == lexer.VARIABLE:
            variable, then = self._take(), self._take()
            if then.kind in (lexer.DECLARE, lexer.ASSIGN):
                names.append(variable.text)
                pipe.assigns = then.kind == lexer.ASSIGN
                self._declare(pipe, names, variable)
                return
            if then.kind == lexer.COMMA:
                names.append(variable.text)
                if where != "range" or len(names) == _MOST_RANGE_VARIABLES:
                    raise self._error(then, f"too many declarations in {where}")
                continue
            break
        if names:
            raise self._error(self._tokens[begin], "range can only initialize variables")
        self._next = begin

    def _declare(self, pipe: Pipe, names: list[str], last: Token) -> None:
        for name in names:
            if pipe.assigns and name not in self._variables:
                raise self._error(last, f'undefined variable "{name}"')
        pipe.variables = names
        if not pipe.assigns:
            self._variables.extend(names)

    def _command(self) -> Command:
        command = Command(self._peek().position)
        while True:
            token = self._peek()
            if token.kind in (lexer.RIGHT, lexer.CLOSE):
                break
            if token.kind == lexer.PIPE:
                if not command.operands:
                    raise self._error(token, "missing value before '|'")
                self._next += 1
                break
            if command.operands and self._tokens[self._next - 1].kind != lexer.SPACE:
                raise self._unexpected(token, "operand: operands are separated by spaces")
            command.operands.append(self._operand(token))
        command.end = command.operands[-1].end
        return command

    def _operand(self, token: Token) -> Node:
        node = self._term(token)
        if self._tokens[self._next].kind != lexer.FIELD:
            return node
        if isinstance(node, Literal | Dot):
            raise self._error(self._tokens[self._next], f"unexpected '.' after {token.text!r}")
        fields = node if isinstance(node, Fields) else Fields(node, node.position)
        # The position where Go has such a chain: where it grows beyond its first part.
        grows = self._next + (1 if token.kind == lexer.FIELD else 0)
        if self._tokens[grows].kind == lexer.FIELD:
            fields.place = self._tokens[grows].position
        while self._tokens[self._next].kind == lexer.FIELD:
            fields.names.append(self._tokens[self._next].text[1:])
            fields.end = self._tokens[self._next].end
            self._next += 1
        return fields

    def _term(self, token: Token) -> Node:
        self._next += 1
        position, end = token.position, token.end
        match token.kind:
            case lexer.DOT:
                return Dot(position, end)
            case lexer.FIELD:
                self._next -= 1
                return Fields(Dot(position, position), position)
            case lexer.VARIABLE:
                if token.text not in self._variables:
                    raise self._error(token, f'undefined variable "{token.text}"')
                return Variable(position, end, token.text)
            case lexer.WORD:
                return self._word(token)
            case lexer.OPEN:
                self._deeper(token)
                pipe = self._pipeline("parenthesized pipeline", lexer.CLOSE)
                self._depth -= 1
                pipe.position, pipe.end = position, self._tokens[self._next - 1].end
                return pipe
            case _:
                return Literal(position, end, self._constant(token))

    def _word(self, token: Token) -> Node:
        position, end = token.position, token.end
        if token.text in _CONSTANTS:
            return Literal(position, end, _CONSTANTS[token.text])
        if token.text in _KEYWORDS:
            raise self._unexpected(token, "operand")
        if token.text not in self._functions:
            raise self._error(token, f'function "{token.text}" not defined')
        return Function(position, end, token.text)

    def _constant(self, token: Token) -> str | int | float:
        try:
            match token.kind:
                case lexer.STRING:
                    return string(token.text)
                case lexer.RAW:
                    return token.text[1:-1]
                case lexer.CHARACTER:
                    return character(token.text)
                case lexer.NUMBER:
                    return number(token.text)
        except ValueError as error:
            raise self._error(token, str(error)) from error
        raise self._unexpected(token, "operand")

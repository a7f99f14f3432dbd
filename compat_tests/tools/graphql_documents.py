"""The GraphQL documents of a wandb package, found without running it: `python -m compat_tests.tools.graphql_documents`.

It says for each what the schema of the loopback W&B (compat_tests/servers/wandb.graphql) has against it. With
`--asked`, it says what they ask for: so compat_tests/servers/asked_by_wandb_0_13.txt was made, of wandb 0.13.11.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import graphql

_OPERATION = re.compile(r"\s*(#.*\n\s*)*(query|mutation)\s+\w+\s*[({]")
_PLACE = re.compile(r"\b_[A-Z]\w*_\b")
"""Where wandb puts in what this server has, `_CLI_QUERY_`; nothing, for a server that has none of it."""
_FRAGMENT = re.compile(r"\s*fragment\s+\w+\s+on\b")


def documents(package: Path) -> dict[str, str]:
    """Every operation in a wandb package's Python and in its core, with the fragments it needs -> where it is.

    Text that is put together is folded as far as it is known without running it; what is not known is left out.
    """
    found: dict[str, str] = {}
    modules = [path for path in sorted(package.rglob("*.py")) if not {"vendor", "proto"} & set(path.parts)]
    trees = {path: ast.parse(path.read_bytes()) for path in modules}
    everywhere: dict[str, str] = {}
    for tree in trees.values():
        everywhere |= _named(tree, {})
    everywhere = {k: v for tree in trees.values() for k, v in _named(tree, everywhere).items()} | everywhere
    shared = _fragments(everywhere.values())
    for path, tree in trees.items():
        names = everywhere | _named(tree, everywhere)
        texts = list(_texts(tree, names))
        fragments = shared | _fragments(texts)
        for text in filter(_OPERATION.match, texts):
            whole = _whole(_PLACE.sub("", text), fragments)
            found.setdefault(whole, path.relative_to(package).as_posix())
    for core in package.glob("bin/wandb-core"):
        for text in _embedded(core.read_bytes()):
            found.setdefault(text, "wandb-core")
    return found


def _named(tree: ast.Module, names: dict[str, str]) -> dict[str, str]:
    """The texts that a module or its classes give a name."""
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            text = _folded(node.value, names | known)
            if text is not None and (_OPERATION.match(text) or _FRAGMENT.match(text)):
                known[node.targets[0].id] = text
    return known


def _texts(node: ast.AST, names: dict[str, str]) -> Iterator[str]:
    """Operations and fragments, each put together as far as it goes."""
    if isinstance(node, ast.expr) and (text := _folded(node, names)) is not None:
        if _OPERATION.match(text) or _FRAGMENT.match(text):
            yield text
        return
    for child in ast.iter_child_nodes(node):
        yield from _texts(child, names)


def _folded(node: ast.expr, names: dict[str, str]) -> str | None:
    """The text of an expression; None: it is no text."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.Name | ast.Attribute):
        return names.get(node.id if isinstance(node, ast.Name) else node.attr)
    if isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.FormattedValue) else part for part in node.values)
        return "".join(_folded(part, names) or "" for part in parts)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _folded(node.left, names), _folded(node.right, names)
        return None if left is None and right is None else (left or "") + (right or "")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        text = _folded(node.left, names)
        return None if text is None else re.sub(r"%(\(\w+\))?s", "", text)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        text = _folded(node.func.value, names)
        given = [_folded(argument, names) or "" for argument in node.args]
        with suppress(IndexError, KeyError, ValueError, AttributeError):
            more = {word.arg or "": _folded(word.value, names) or "" for word in node.keywords}
            return None if text is None else text.format(*given, **more)
    if isinstance(node, ast.Call) and node.args and getattr(node.func, "id", "") == "gql":
        return _folded(node.args[0], names)
    return None


def _fragments(texts: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        with suppress(graphql.GraphQLError):
            for part in graphql.parse(text).definitions:
                if isinstance(part, graphql.FragmentDefinitionNode):
                    found.setdefault(part.name.value, graphql.print_ast(part))
    return found


def _whole(text: str, fragments: dict[str, str]) -> str:
    """A document with all the fragments that it names."""
    while missing := {
        name
        for name in re.findall(r"\.\.\.\s*(?!on\b)(\w+)", text)
        if name in fragments and not re.search(rf"fragment\s+{name}\s", text)
    }:
        text += "\n" + "\n".join(fragments[name] for name in sorted(missing))
    return text


def _embedded(core: bytes) -> Iterator[str]:
    """The documents in wandb's core, where they lie as text: up to the brace that closes the last of their parts."""
    for match in re.finditer(rb"\n(?:query|mutation) \w+ ?[({]", core):
        text = core[match.start() : match.start() + 20_000].decode(errors="replace")
        depth, end = 0, 0
        for at, char in enumerate(text):
            depth += {"{": 1, "}": -1}.get(char, 0)
            if char == "}" and depth == 0:
                end = at + 1
                if not re.match(r"\s*fragment \w+ on \w+ \{", text[end : end + 200]):
                    break
        yield text[:end]


UNKNOWN = "put together while wandb runs"
"""What is said of a document that is not whole here."""


def refusals(schema: graphql.GraphQLSchema, document: str) -> list[str]:
    """What a schema has against a document (nothing: it is valid)."""
    try:
        return [error.message for error in graphql.validate(schema, graphql.parse(document))]
    except graphql.GraphQLError:
        return [UNKNOWN]


def asked(schema: graphql.GraphQLSchema, document: str) -> set[str]:
    """The coordinates that a valid document asks for: `Run.files`, and `Run.files(names: [String!]!)` of a variable."""
    types = graphql.TypeInfo(schema)
    found: set[str] = set()
    variables: dict[str, str] = {}

    class Coordinates(graphql.Visitor):
        def enter_variable_definition(self, node: graphql.VariableDefinitionNode, *_: object) -> None:
            variables[node.variable.name.value] = graphql.print_ast(node.type)

        def enter_field(self, node: graphql.FieldNode, *_: object) -> None:
            parent = types.get_parent_type()
            if parent and not node.name.value.startswith("__"):
                found.add(f"{parent.name}.{node.name.value}")
                for one in node.arguments or ():
                    if isinstance(one.value, graphql.VariableNode):
                        kind = variables.get(one.value.name.value)
                        found.add(f"{parent.name}.{node.name.value}({one.name.value}: {kind})")

        def enter_object_field(self, node: graphql.ObjectFieldNode, *_: object) -> None:
            parent = graphql.get_named_type(types.get_parent_input_type())
            if isinstance(parent, graphql.GraphQLInputObjectType):
                found.add(f"{parent.name}.{node.name.value}")

    graphql.visit(graphql.parse(document), graphql.TypeInfoVisitor(types, Coordinates()))
    return {one for one in found if "None" not in one}


def main(arguments: list[str]) -> int:
    """`[--asked] PACKAGE...`: what the schema has against each package's documents, or what these ask for."""
    from compat_tests.servers.graphql_operation import schema

    refused, coordinates = 0, set[str]()
    packages = [argument for argument in arguments if argument != "--asked"]
    for package in map(Path, packages):
        found = documents(package)
        for text, place in found.items():
            reasons = refusals(schema(), text)
            if not reasons:
                coordinates |= asked(schema(), text)
            refused += len([reason for reason in reasons if reason != UNKNOWN])
            if "--asked" not in arguments:
                for reason in reasons:
                    print(f"{place}: {' '.join(text.split())[:60]}: {reason}")
        if "--asked" not in arguments:
            print(f"{package}: {len(found)} documents")
    if "--asked" in arguments:
        print("\n".join(sorted(coordinates)))
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

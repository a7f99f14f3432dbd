"""A GraphQL request against W&B's schema: refused where the schema has no such question, else executed on nodes."""

from __future__ import annotations

import dataclasses
from collections.abc import Set
from functools import lru_cache
from pathlib import Path
from typing import Any

import graphql
from werkzeug.exceptions import HTTPException

from .wandb_runs import Node

parse = lru_cache(maxsize=256)(graphql.parse)  # clients send the same few documents again and again


class Refused(Exception):
    """What the schema has against a request; `errors` are those of the answer."""

    def __init__(self, errors: list[graphql.GraphQLError]) -> None:
        super().__init__("; ".join(error.message for error in errors))
        self.errors = [error.formatted for error in errors]


@lru_cache(maxsize=16)
def schema(lacks: frozenset[str] = frozenset()) -> graphql.GraphQLSchema:
    """W&B's schema. lacks: fields that this server does not have, of types and of inputs (`Run.parquetHistory`)."""
    document = graphql.parse(Path(__file__).with_name("wandb.graphql").read_text("utf-8"))
    known: set[str] = set()
    definitions: list[graphql.DefinitionNode] = []
    for node in document.definitions:
        names = {f"{node.name.value}.{one.name.value}": one for one in getattr(node, "fields", None) or ()}  # type: ignore[attr-defined]
        known |= set(names)
        here = tuple(one for name, one in names.items() if name not in lacks)
        definitions.append(_with(node, fields=here) if len(here) < len(names) else node)
    if unknown := lacks - known:
        raise ValueError(f"the schema has no {', '.join(sorted(unknown))}")
    return graphql.build_ast_schema(_with(document, definitions=tuple(definitions)))


def _with(node: Any, **parts: Any) -> Any:
    """A copy of a node of the document with other parts; graphql-core's nodes are data classes from 3.3 on."""
    if dataclasses.is_dataclass(node):
        return dataclasses.replace(node, **parts)  # type: ignore[type-var]
    return type(node)(**{key: getattr(node, key) for key in node.keys if hasattr(node, key)} | parts)


@lru_cache(maxsize=1024)
def refusals(document: str, lacks: frozenset[str]) -> tuple[graphql.GraphQLError, ...]:
    """What the schema has against a document, whatever its variables (nothing: it is valid)."""
    return tuple(graphql.validate(schema(lacks), parse(document)))


class Operation:
    """One GraphQL operation. `unknown`: what the schema has and no node says; it was answered with null."""

    def __init__(self, document: str, variables: Node | None, name: str | None = None) -> None:
        self.text = document
        parsed = parse(document).definitions
        operations = [node for node in parsed if isinstance(node, graphql.OperationDefinitionNode)]
        node = next(one for one in operations if not name or (one.name and one.name.value == name))
        self.name = node.name.value if node.name else node.operation.value
        self.kind = node.operation.value
        self.variables = variables or {}
        self.unknown: set[str] = set()

    def resolve(self, root: Node, lacks: Set[str] = frozenset()) -> Node:
        """The data.

        Raises:
            Refused: the document, or the variables with it, do not fit the schema.
            HTTPException: what a node says instead of its value (no permission, no such run).
        """
        absent = frozenset(lacks)
        if errors := refusals(self.text, absent):
            raise Refused(list(errors))
        result = graphql.execute_sync(
            schema(absent), parse(self.text), root, variable_values=self.variables, field_resolver=self._field
        )
        for error in result.errors or ():
            if isinstance(error.original_error, HTTPException):
                raise error.original_error
            if error.path:
                raise error
        if result.errors:
            raise Refused(result.errors)
        return result.data or {}

    def _field(self, parent: Node, info: graphql.GraphQLResolveInfo, **given: Any) -> Any:
        if info.field_name not in parent:
            self.unknown.add(f"{info.parent_type.name}.{info.field_name}")
        value = parent.get(info.field_name)
        return value(**given) if callable(value) else value

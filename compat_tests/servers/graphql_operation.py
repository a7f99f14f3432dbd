"""GraphQL without a schema: an operation is resolved against nodes."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import graphql

from .wandb_runs import Node

parse = lru_cache(maxsize=256)(graphql.parse)  # clients send the same few documents again and again


class Operation:
    """One GraphQL operation, resolved against nodes; there is no schema, so fields that are unknown are null."""

    def __init__(self, document: str, variables: Node | None) -> None:
        parsed = parse(document)
        self.fragments = {d.name.value: d for d in parsed.definitions if isinstance(d, graphql.FragmentDefinitionNode)}
        self.node = next(d for d in parsed.definitions if isinstance(d, graphql.OperationDefinitionNode))
        self.name = self.node.name.value if self.node.name else self.node.operation.value
        self.variables = {
            v.variable.name.value: graphql.value_from_ast_untyped(v.default_value) if v.default_value else None
            for v in self.node.variable_definitions or ()
        } | {k: v for k, v in (variables or {}).items() if v is not None}
        self.unknown: set[str] = set()

    def resolve(self, root: Node) -> Node:
        return self._select(root, self.node.selection_set, self.node.operation.value)

    def _value(self, node: Any) -> Any:
        return graphql.value_from_ast_untyped(node, self.variables)

    def _included(self, selection: Any) -> bool:
        tests = {d.name.value: self._value(d.arguments[0].value) for d in selection.directives or () if d.arguments}
        return bool(tests.get("include", True)) and not tests.get("skip", False)

    def _select(self, parent: Node, selections: Any, where: str) -> Node:
        answer: Node = {}
        for selection in filter(self._included, selections.selections):
            if isinstance(selection, graphql.FieldNode):
                name = selection.name.value
                label = selection.alias.value if selection.alias else name
                if name not in parent:
                    self.unknown.add(f"{where}.{name}")
                value = parent.get(name)
                if callable(value):
                    value = value(**{a.name.value: self._value(a.value) for a in selection.arguments or ()})
                if selection.selection_set:
                    value = self._nested(value, selection.selection_set, f"{where}.{name}")
                    if isinstance(answer.get(label), dict) and isinstance(value, dict):
                        value = answer[label] | value
                answer[label] = value
            else:
                named = isinstance(selection, graphql.FragmentSpreadNode)
                inner = self.fragments[selection.name.value] if named else selection
                answer |= self._select(parent, inner.selection_set, where)
        return answer

    def _nested(self, value: Any, selections: Any, where: str) -> Any:
        if isinstance(value, list):
            return [self._nested(one, selections, where) for one in value]
        return None if value is None else self._select(value, selections, where)

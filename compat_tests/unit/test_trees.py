"""How wandb's config, summary and history set, merge and remove what is nested."""

from __future__ import annotations

import pytest

from wandb_swan.stream import trees
from wandb_swan.stream.events import ConfigChanged


def test_config_replaces_and_history_merges() -> None:
    tree = {"a": {"b": 1, "c": 2}, "d": 3}
    trees.apply(
        tree, ConfigChanged(update=((("a",), {"x": 1}), (("d", "e"), 4)), remove=(("a", "x"), ("d", "f"), ("g", "h")))
    )
    assert tree == {"a": {"x": 1}, "d": {"e": 4}}
    trees.merge(tree, ("a",), {"b": {"c": 1}, "nothing": {}})
    trees.merge(tree, ("a", "b"), {"d": 2})
    assert tree == {"a": {"x": 1, "b": {"c": 1, "d": 2}}, "d": {"e": 4}}
    assert dict(trees.leaves(tree)) == {("a", "x"): 1, ("a", "b", "c"): 1, ("a", "b", "d"): 2, ("d", "e"): 4}


def test_a_path_through_a_value() -> None:
    tree = {"a": 1}
    trees.remove(tree, ("a", "b", "c"))
    assert tree == {"a": 1}
    with pytest.raises(ValueError, match="too deeply"):
        trees.merge(tree, ("a",) * (trees.DEEPEST + 1), 1)

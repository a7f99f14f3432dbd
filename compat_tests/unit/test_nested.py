"""How wandb's config, summary and history set, merge and remove what is nested."""

from __future__ import annotations

import pytest

from wandb_swan.stream import nested
from wandb_swan.stream.config import apply
from wandb_swan.stream.events import ConfigChanged


def test_config_replaces_and_history_merges() -> None:
    tree = {"a": {"b": 1, "c": 2}, "d": 3}
    apply(
        tree, ConfigChanged(update=((("a",), {"x": 1}), (("d", "e"), 4)), remove=(("a", "x"), ("d", "f"), ("g", "h")))
    )
    assert tree == {"a": {"x": 1}, "d": {"e": 4}}
    nested.merge(tree, ("a",), {"b": {"c": 1}, "nothing": {}})
    nested.merge(tree, ("a", "b"), {"d": 2})
    assert tree == {"a": {"x": 1, "b": {"c": 1, "d": 2}}, "d": {"e": 4}}
    assert dict(nested.leaves(tree)) == {("a", "x"): 1, ("a", "b", "c"): 1, ("a", "b", "d"): 2, ("d", "e"): 4}


def test_a_path_through_a_value() -> None:
    tree = {"a": 1}
    nested.remove(tree, ("a", "b", "c"))
    assert tree == {"a": 1}
    with pytest.raises(ValueError, match="too deeply"):
        nested.merge(tree, ("a",) * (nested.DEEPEST + 1), 1)


@pytest.mark.parametrize(
    ("live", "logged"),
    [
        ([1.0, -0.0, 0.5], [1, 0, 0.5]),
        ([2**63, -(2**70), 10**400], [float(2**63), float(-(2**70)), float("inf")]),
        ([2**53 + 1, 2**63 - 1, 1e16, True, None, {"k": [2.0]}], [2**53 + 1, 2**63 - 1, 1e16, True, None, {"k": [2]}]),
    ],
)
def test_a_list_has_the_same_text_from_a_journal_and_from_wandbs_log(live: list[object], logged: list[object]) -> None:
    assert nested.spelled(live) == nested.spelled(logged)

"""Names fit SwanLab's own constraints, whatever a user typed, and two names never become one."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from swanlab.sdk.internal.run import fmt  # not in a test: the import takes longer than an example may

from wandb_swan.swan import limits
from wandb_swan.swan.limits import KeyNames, metric_key

TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=30) | st.text(max_size=3).map(
    lambda t: t * 300
)
"""Any Unicode, lone surrogates too, and long."""
EDGES = st.text("./ a\x00\x85\u3000~_", max_size=6)
PATHS = st.lists(TEXT | EDGES | st.sampled_from(["acc", "acc (text)", "__swanlab__.cpu"]), min_size=1, max_size=3)


def accepted(key: str) -> bool:
    """Whether SwanLab keeps a metric key as it is; its own check."""
    return bool(fmt.safe_validate_key(key) == key)


@given(TEXT | EDGES)
@example("")
@example("/\u30000")
@example("__swanlab__." + "x" * 600)
def test_a_metric_key_is_valid_and_stays_itself(text: str) -> None:
    key = metric_key(text)
    assert 1 <= len(key) <= limits.KEY_LENGTH
    key.encode()
    assert accepted(key), key
    assert metric_key(key) == key


@given(st.lists(st.tuples(PATHS.map(tuple), st.sampled_from(["scalar", "text", "image"])), max_size=30))
@example([(("a", "b"), "scalar"), (("a/b",), "scalar"), (("a/b (text)",), "scalar"), (("a", "b"), "text")])
@example([(("v",), "scalar"), (("v",), "text"), (("v (text)",), "text"), (("v (text)",), "scalar")])
def test_names_of_a_run_are_injective(metrics: list[tuple[tuple[str, ...], str]]) -> None:
    names = KeyNames()
    given_names = {metric: names.name(*metric) for metric in metrics}
    assert len(set(given_names.values())) == len(given_names)
    assert all(accepted(name) for name in given_names.values())
    assert all(names.name(*metric) == name for metric, name in given_names.items())


@given(TEXT)
def test_limits_hold_for_any_unicode(text: str) -> None:
    import re

    assert re.fullmatch(r"[0-9A-Za-z_\-+.]{1,100}", limits.project(text))
    assert limits.project(limits.project(text)) == limits.project(text)
    assert re.fullmatch(r"[0-9A-Za-z_-]{0,25}", limits.workspace(text))
    run_id = limits.run_id(text)
    assert 1 <= len(run_id) <= 512 and not re.search(r'[<>:"/\\|?*#%\x00-\x1f]', run_id)
    assert limits.run_id(run_id) == run_id
    for cut, length in ((limits.name, 512), (limits.description, 1024)):
        kept = cut(text)
        assert kept is None or 1 <= len(kept.encode().decode()) <= length
    for tag in limits.tags((text,) * 40):
        assert 1 <= len(tag.encode().decode()) <= 512
    assert len(limits.tags((text,) * 40)) <= 30

"""What a config holds comes back from SwanLab's file as it was written, whatever characters are in it."""

from __future__ import annotations

from typing import Any, cast

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from wandb_swan.parity.stored import config_json
from wandb_swan.stream.events import ConfigChanged, RunStarted
from wandb_swan.swan.config import RunConfig
from wandb_swan.swan.sdk.session import Session

writer = pytest.importorskip("swanlab.sdk.internal.run.components.config.writer")
if not hasattr(writer, "dump_config"):
    pytest.skip("this SwanLab makes no text of a config without its file", allow_module_level=True)

ODD = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA1), 0xAD, 0x200B, 0x2028, 0x2029, 0xD800, 0xDFFF, 0xFEFF)]
ODD += ["\ufffe", "\uffff", "\U0001f600", "\U0010ffff"]
"""Control characters of both blocks, line and paragraph separators, lone surrogates as wandb lets them through."""
TEXT = st.text(st.sampled_from([*ODD, *"aZ0.:#-?'\"\\{}[],&*!|>% \n"]), max_size=12)


class Kept:
    """A SwanLab run as far as its config goes: written and read by SwanLab's own code."""

    def __init__(self) -> None:
        self.config: dict[str, Any] = {}

    def write_config(self, whole: dict[str, Any], *, own: bool) -> int:
        self.config = yaml.safe_load(writer.dump_config(writer.format_config(whole, {})).encode())
        return 0


def brought(**config: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was to be written of a config, and what is there."""
    kept, run = Kept(), RunConfig(RunStarted(run_id="r"))
    run.change(ConfigChanged(update=tuple(((key,), value) for key, value in config.items())))
    run.write(cast("Session", kept), own=True)
    return run.written, {key: item["value"] for key, item in kept.config.items()}


@pytest.mark.parametrize("odd", ODD, ids=ascii)
def test_every_odd_character_in_keys_and_values(odd: str) -> None:
    for text in (
        odd,
        f"{odd}o+",
        f"o{odd}",
        f"\n{odd}",
        f"{odd}\n",
        f"{odd}{odd}",
        f" {odd}",
        f"a\u2028{odd}",
        f"{odd}\x1b",
    ):
        written, there = brought(**{"k": {text: {}, "acc.": [text, {text: text, "b": 1}]}, f"top {text}": text})
        assert there == written
        for tree in ({text: {}, "acc.": "d"}, [{text: 1, "acc.": 2}]):
            assert config_json(brought(k=tree)[1]["k"]) == config_json(tree)


@given(TEXT, TEXT)
@example("\x85o+", "acc.")
@example("a\n\x85b", "\x85\x85")
def test_any_of_them_together(one: str, other: str) -> None:
    written, there = brought(k={one: other, "l": [other, {f"{other}x": one}]})
    assert there == written

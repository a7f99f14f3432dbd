"""Console output becomes the same lines, however it was cut into pieces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wandb_swan.stream.console import Console


@given(st.text(st.sampled_from("ab\n你"), max_size=30), st.data())
def test_console_lines_do_not_depend_on_the_pieces(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    console = Console(stderr=False)
    lines = [line.text for piece in pieces for line in console.write(piece, 1.0)] + [x.text for x in console.flush()]
    *whole, rest = text.split("\n")
    assert lines == whole + [rest] * bool(rest)


@given(st.text(max_size=40))
def test_console_lines_hold_no_control_characters(text: str) -> None:
    console = Console(stderr=True)
    for line in [*console.write(text, 1.0), *console.flush()]:
        assert not any(char < " " and char != "\t" for char in line.text)

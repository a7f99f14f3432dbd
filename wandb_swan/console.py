"""The rich console of the commands: what strangers have named (runs, files) can send it no control sequences."""

from __future__ import annotations

import re
from typing import Any

from rich.console import Console as RichConsole
from rich.text import Text

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""All but tab and newline; a half of a surrogate pair cannot be written at all."""


def visible(text: str) -> str:
    """The text with its control characters as a reader can see them: ESC as `\\x1b`."""
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


class Console(RichConsole):
    """Prints texts and the cells of tables with their control characters made visible."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible(text), **options)

"""SwanLab's config without what makes each write of it slow: of one of 100 values, a twentieth of the time is left."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import yaml

_CONFIG = "swanlab.sdk.internal.run.components.config"
_PLAIN = frozenset({dict, list, tuple, str, int, float, bool, type(None)})
_DUMPER: Any = getattr(yaml, "CSafeDumper", None)
_OTHERWISE = "\\", "'':", "? "
"""What stands in a text that PyYAML and libyaml may write in two ways: escapes, empty keys and long ones."""


@cache
def install() -> None:
    """From now on, for SwanLab 0.8 to 0.10. Another one's config is written as it does."""
    try:
        parse: Any = import_module(f"{_CONFIG}.parse")
        writer: Any = import_module(f"{_CONFIG}.writer")
        writer.yaml = SimpleNamespace(safe_dump=dump) if writer.yaml is yaml else writer.yaml
        adapt = parse.adapt_third_party
    except (ImportError, AttributeError):
        return

    def adapt_third_party(value: Any) -> Any:
        if type(value) in _PLAIN:  # it would look for omegaconf and mmengine on the disk, for each value
            raise TypeError
        return adapt(value)

    parse.adapt_third_party = adapt_third_party


def dump(value: Any, **options: Any) -> str:
    """The text that `yaml.safe_dump` makes of a value, by libyaml where that makes the same."""
    if _DUMPER is not None:
        text = str(yaml.dump(value, Dumper=_DUMPER, **options))
        if not any(sign in text for sign in _OTHERWISE):
            return text
    return str(yaml.safe_dump(value, **options))

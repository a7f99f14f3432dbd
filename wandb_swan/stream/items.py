"""The path and the value of one item of a record: history, summary, config and stats have the same form of them."""

from __future__ import annotations

import json
import re
from typing import Any

from .nested import DEEPEST, Path, UnreadableError

NUMBER_STARTS = frozenset("-0123456789")
_SCALAR_FORMS = frozenset({"boolean", "integer", "number", "text"})


def item_path(item: Any) -> Path:
    """Where the item's value is: `nested_key`, or `key` alone.

    Raises:
        ValueError: nested more than `DEEPEST` levels deep.
    """
    nested = getattr(item, "nested_key", None)
    if nested:
        if len(nested) > DEEPEST:
            raise UnreadableError("nested too deeply")
        return tuple(nested)
    return (item.key,)


def spelled_path(item: Any) -> Path:
    """Where the item's value is, however deep."""
    return tuple(getattr(item, "nested_key", None) or ()) or (item.key,)


def _depth(text: str) -> int:
    """How deeply JSON text is nested."""
    depth = deepest = 0
    for part in re.finditer(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', text):
        bracket = part[0]
        if bracket in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif bracket in "]}":
            depth -= 1
    return deepest


def item_value(item: Any) -> Any:
    """The JSON value of a history, config, summary or stats item.

    wandb 0.31 may write a history value typed instead of as JSON text (`x_history_value_encoding`).

    Raises:
        ValueError: the text is not JSON.
    """
    text = item.value_json
    if text:
        if text[0] in NUMBER_STARTS:
            return number(text)
        if text[0] in "[{" and text.count("[") + text.count("{") > DEEPEST and _depth(text) > DEEPEST:
            raise UnreadableError("nested too deeply")
        return json.loads(text)
    if "value" in item.DESCRIPTOR.oneofs_by_name:
        form = item.WhichOneof("value")
        if form in _SCALAR_FORMS:
            return getattr(item, form)
        if form == "json":
            return json.loads(item.json)
        if form == "none":
            return None
    raise UnreadableError("a value of a form that is not known here")


def number(text: str) -> Any:
    """The number that a JSON text is: almost every value is one, and `json.loads` takes four times as long."""
    try:
        return float(text) if "." in text or "e" in text or "E" in text else int(text)
    except ValueError:  # -Infinity, and what is no JSON at all
        return json.loads(text)

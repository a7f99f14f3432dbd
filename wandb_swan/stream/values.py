"""What a value of a history row is: the media items that it holds."""

from __future__ import annotations

from typing import Any

from .nested import Tree


def items(value: Any) -> list[Tree]:
    """The single media items of a row's value, in order.

    wandb's lists have a form of their own for each kind (`seq_to_json` of its data types), or are plain lists.
    """
    if isinstance(value, list):
        found = [part for part in value if isinstance(part, dict) and "_type" in part]
        return [item for part in found for item in items(part)]
    if not isinstance(value, dict) or "_type" not in value:
        return []
    kind = value["_type"]
    single = SEQUENCES.get(kind) if isinstance(kind, str) else None
    if single is None:
        return [value]
    field_name, item_kind = single
    parts = value.get(field_name)
    if not isinstance(parts, list):
        return [value]
    captions, boxes, masks = (_list(value.get(name)) for name in ("captions", "all_boxes", "all_masks"))
    singles = []
    for index, part in enumerate(parts):
        item = dict(part) if isinstance(part, dict) else {"path": part}
        item["_type"] = item_kind
        for name, given in (("caption", captions), ("boxes", boxes), ("masks", masks)):
            if index < len(given) and given[index]:
                item[name] = given[index]
        singles.append(item)
    return singles


SEQUENCES: dict[str, tuple[str, str]] = {
    "images/separated": ("filenames", "image-file"),
    "audio": ("audio", "audio-file"),
    "videos": ("videos", "video-file"),
    "html": ("html", "html-file"),
    "object3D": ("objects", "object3D-file"),
    "molecule": ("filenames", "molecule-file"),
}
"""`_type` of a list -> the field that holds its items, `_type` of one item."""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []

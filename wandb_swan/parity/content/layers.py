"""Pictures with boxes and masks drawn onto them."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .pictures import compare_pictures, decoded, pillow_is_there, upright
from .verdict import BROKEN_SOURCE, BROKEN_STORED, NO_PILLOW, Verdict, located

_NO_CLASS = frozenset({"", "background", "bg", "void", "none", "unlabeled", "class_0"})
"""Names of class 0 of a mask under which it is nothing that was seen."""


def drawn(
    value: dict[str, Any],
    files: Path,
    source: Path,
    stored: Path,
    *,
    labels: Mapping[tuple[str, str], Mapping[str, str]],
    path: tuple[str, ...],
) -> Verdict:
    """The picture is drawn a second time, and compared; what masks leave free is compared with the source, too."""
    if not pillow_is_there():
        return NO_PILLOW
    # The one place where the code that converts is asked: outlines, labels and their font are pixels, and a second
    # drawing of ours would only be the same code again.
    from ...swan.files import RunFiles, UnusableError
    from ...swan.media.item import Item
    from ...swan.media.layers import Layers

    lost: list[str] = []
    item = Item(
        path=path or ("",),
        value=value,
        files=RunFiles(files),
        lose=lambda reason, detail: lost.append(f"{reason} ({detail})" if detail else reason),
        mask_labels=labels,
    )
    content = source.read_bytes()
    original = decoded(content)
    if original is None:
        return BROKEN_SOURCE
    original = upright(original)
    try:
        layers = Layers(item)
        if lost:
            return Verdict(None, lost[0][:200])
        again = layers.draw(content) if layers else content
    except (
        UnusableError,
        OSError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        ArithmeticError,
        struct.error,
    ) as error:
        return Verdict(None, f"boxes and masks cannot be drawn again: {type(error).__name__}")
    picture = decoded(again)
    if picture is None:
        return BROKEN_SOURCE
    found = compare_pictures(picture, stored, size=len(again), copied=True)
    if not found.same or found.how != "same pixels":
        return found
    outside = _outside_of_masks(value, files, original, stored, labels=labels, path=path)
    return outside or Verdict(True, "same pixels, drawn again")


def _outside_of_masks(
    value: dict[str, Any],
    files: Path,
    original: Any,
    stored: Path,
    *,
    labels: Mapping[tuple[str, str], Mapping[str, str]],
    path: tuple[str, ...],
) -> Verdict | None:
    """What is otherwise where no mask has a class: read here, without the code that draws. Boxes may be anywhere."""
    from PIL import Image, ImageChops

    masks = value.get("masks")
    if value.get("boxes") or not isinstance(masks, dict) or original.mode not in ("L", "RGB"):
        return None
    held = decoded(stored.read_bytes())
    if held is None:
        return BROKEN_STORED
    factor, rest = divmod(held.width, original.width)
    size = (original.width * factor, original.height * factor)
    if rest or held.height < size[1]:
        return Verdict(False, f"{held.size} pixels in SwanLab, which is no whole number of times {original.size}")
    free = Image.new("L", original.size, 255)
    for name, layer in masks.items():
        names = labels.get((path[-1] if path else "", name), {})
        file = located(files, layer.get("path") if isinstance(layer, dict) else None)
        mask = decoded(file.read_bytes()) if file is not None else None
        if mask is None or mask.mode != "L" or mask.size != original.size:
            return None
        if names.get("0", "").strip().lower() not in _NO_CLASS:
            return None
        free = ImageChops.darker(free, mask.point([255] + [0] * 255))
    wanted, free = (part.resize(size, Image.Resampling.NEAREST) for part in (original.convert("RGB"), free))
    red, green, blue = ImageChops.difference(wanted, held.convert("RGB").crop((0, 0, *size))).split()
    changed = ImageChops.darker(free, ImageChops.lighter(red, ImageChops.lighter(green, blue)))
    count = sum(changed.histogram()[1:])
    return Verdict(False, f"{count} pixels differ where no mask is") if count else None

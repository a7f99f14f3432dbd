"""Pictures with boxes and masks drawn onto them."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .painting import Painting, Unreadable
from .pictures import compare_pictures, decoded, pillow_is_there, upright
from .verdict import BROKEN_SOURCE, BROKEN_STORED, NO_PILLOW, Verdict, located


class _Picture(NamedTuple):
    """Where a picture is, and what its layers are called."""

    files: Path
    source: Path
    labels: Mapping[tuple[str, str], Mapping[str, str]]
    path: tuple[str, ...]


def drawn(
    value: dict[str, Any],
    files: Path,
    source: Path,
    stored: Path,
    *,
    labels: Mapping[tuple[str, str], Mapping[str, str]],
    path: tuple[str, ...],
) -> Verdict:
    """The picture is painted a second time, without letters; with them, it is what the code that draws makes of it."""
    if not pillow_is_there():
        return NO_PILLOW
    picture = _Picture(files, source, labels, path)
    layers = {
        kind: {name: found[name] for name in sorted(found)}  # in no order that lasts: neither in the log nor at W&B
        for kind in ("boxes", "masks")
        if isinstance(found := value.get(kind), dict)
    }
    return _drawn(value | layers, picture, stored)


def _drawn(value: dict[str, Any], of: _Picture, stored: Path) -> Verdict:
    original = decoded(of.source.read_bytes())
    if original is None:
        return BROKEN_SOURCE
    again = _drawn_again(value, of)
    if isinstance(again, Verdict):
        return again
    picture, held = decoded(again), decoded(stored.read_bytes())
    if picture is None:
        return BROKEN_SOURCE
    if held is None:
        return BROKEN_STORED
    same = compare_pictures(picture, stored, size=len(again), copied=True)
    if same.same and same.how != "same pixels":  # as JPEG, over SwanLab's limit
        return same
    try:
        wrong = _painted(value, of, upright(original)).differs(held)
    except Unreadable:
        return Verdict(True, "same pixels, drawn again") if same.same else same
    if wrong:
        return Verdict(False, wrong)
    if not same.same:
        return Verdict(None, "labels or legend are in other letters than a font of this machine has")
    return Verdict(True, "same pixels, drawn again")


def _painted(value: dict[str, Any], of: _Picture, original: Any) -> Painting:
    """What the picture has to be, read here. Raises Unreadable."""
    boxes, masks = (found if isinstance(found := value.get(kind), dict) else {} for kind in ("boxes", "masks"))
    painting = Painting(original, sorted({*boxes, *masks}))
    for number, (name, layer) in enumerate(masks.items()):
        file = located(of.files, layer.get("path") if isinstance(layer, dict) else None)
        mask = decoded(file.read_bytes()) if file is not None else None
        painting.mask(name, mask, of.labels.get((of.path[-1] if of.path else "", name), {}), contour=number > 0)
    for number, (name, layer) in enumerate(boxes.items()):
        file = located(of.files, layer.get("path") if isinstance(layer, dict) else None)
        painting.boxes(name, file, dashed=number > 0)
    return painting


def _drawn_again(value: dict[str, Any], of: _Picture) -> bytes | Verdict:
    """The one place where the code that converts is asked: letters are a font's, and who reads them a person."""
    from ...swan.files import RunFiles, UnusableError
    from ...swan.media.item import Item
    from ...swan.media.layers import Layers

    lost: list[str] = []
    item = Item(
        path=of.path or ("",),
        value=value,
        files=RunFiles(of.files),
        lose=lambda reason, detail: lost.append(f"{reason} ({detail})" if detail else reason),
        mask_labels=of.labels,
    )
    content = of.source.read_bytes()
    try:
        layers = Layers(item)
        if lost:
            return Verdict(None, lost[0][:200])
        return layers.draw(content) if layers else content
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

"""Point clouds, 3D models and molecules."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ...swan import limits
from .texts import json_of
from .verdict import BROKEN_SOURCE, BROKEN_STORED, SAME_BYTES, Verdict, counted, difference, same_bytes, same_value, two

_GREEN = [0.0, 255.0, 0.0]
_CATEGORIES = (
    (82, 141, 89),
    (88, 122, 210),
    (194, 77, 70),
    (156, 190, 93),
    (110, 186, 211),
    (223, 177, 66),
    (109, 75, 164),
    (140, 197, 183),
    (137, 45, 88),
    (64, 135, 124),
    (208, 112, 60),
    (212, 118, 148),
    (227, 178, 146),
    (177, 95, 187),
    (144, 95, 74),
    (152, 159, 163),
)
"""SwanLab's colours of categories (0.10: `object3d._LIGHT_COLORS`)."""
_POINT_BYTES = 140
"""A point of six numbers as JSON, at its longest: what is left out for room is left out by this."""
_SLACK = 64 << 10
_ANGSTROM = 0.00051
"""A PDB file has three decimals."""


class _Atom(NamedTuple):
    element: str
    place: tuple[float, float, float]


def shape(source: Path, stored: Path) -> Verdict:
    """An object in three dimensions: a point cloud, or a model that is copied."""
    if source.name.lower().endswith(".pts.json"):
        return _cloud(source, stored)
    if same_bytes(source, stored):
        return SAME_BYTES
    return other_bytes(source.read_bytes(), stored.read_bytes())


def other_bytes(ours: bytes, theirs: bytes) -> Verdict:
    """Where two files that should be the same are not."""
    if len(ours) != len(theirs):
        return counted("bytes", len(ours), len(theirs))
    at = next((i for i, (one, other) in enumerate(zip(ours, theirs, strict=True)) if one != other), 0)
    return two(f"byte {at}", ours[at], theirs[at])


# -- point clouds ------------------------------------------------------------------------------------------------------


def _cloud(source: Path, stored: Path) -> Verdict:
    try:
        scene = json_of(source)
        scene = scene if isinstance(scene, dict) else {"points": scene}
        given = _list(scene.get("points"))
        points = [point for point in map(_place, given) if point]
        boxes = _boxes(scene)
    except (ValueError, TypeError, OverflowError):
        return BROKEN_SOURCE
    try:
        held = json_of(stored)
        held_points, held_boxes = held["points"], held["boxes"]
        counts = len(held_points), len(held_boxes)
    except (ValueError, KeyError, TypeError):
        return BROKEN_STORED
    points = [point for point in points if len(point) == len(points[0])]
    if not points:
        corners = [list(corner) for box in boxes for corner in box["corners"] if isinstance(corner, list)]
        points = corners or [[0.0, 0.0, 0.0]]
    stride = -(-len(points) // max(1, counts[0]))
    if stride > 1 and not _had_to_be_thinned(len(points), counts[0], boxes):
        return counted("points", len(points), counts[0])
    kept = points[::stride]
    if len(kept) != counts[0]:
        return counted("points", len(points), counts[0])
    for index, (point, there) in enumerate(zip(kept, held_points, strict=True)):
        wanted = _coloured(point)
        if not isinstance(there, list) or len(there) != len(wanted) or not all(map(same_value, wanted, there)):
            return two(f"point {index * stride}", wanted, there)
    if len(boxes) != counts[1]:
        return counted("boxes", len(boxes), counts[1])
    for index, box in enumerate(boxes):
        found = difference(box, held_boxes[index], f"box {index}")
        if found is not None:
            return found
    return Verdict(True, "same points" if stride == 1 else f"same points, every {stride}. of {len(points)}")


def _place(point: Any) -> list[float]:
    """The numbers of a point: three, with a category or a colour; none if it has no place."""
    try:
        numbers = [float(number) for number in point]
    except (TypeError, ValueError, OverflowError):
        return []
    return numbers if len(numbers) in (3, 4, 6) and all(map(math.isfinite, numbers)) else []


def _had_to_be_thinned(whole: int, kept: int, boxes: list[dict[str, Any]]) -> bool:
    """Whether so many points are over SwanLab's 10 MB, and those that are kept are more than half of what fits."""
    room = limits.MEDIA_BYTES - len(json.dumps(boxes)) - _SLACK
    return whole * _POINT_BYTES > room and 2 * kept * _POINT_BYTES > room - _SLACK


def _coloured(point: list[Any]) -> list[Any]:
    """A point as SwanLab has it: with a colour of its own, of its category, or green."""
    if len(point) == 3:
        return [*map(float, point), *_GREEN]
    if len(point) == 4:
        return [*point[:3], *map(float, _CATEGORIES[int(point[3]) % len(_CATEGORIES)])]
    return point


def _boxes(scene: dict[str, Any]) -> list[dict[str, Any]]:
    """The boxes that have corners, with all that SwanLab keeps of one: colour, corners, label and score."""
    boxes = []
    for box in _list(scene.get("boxes")):
        if isinstance(box, dict) and isinstance(box.get("corners"), list):
            wanted = {
                "color": box.get("color", [255, 255, 255]),
                "corners": box["corners"],
                "label": box.get("label", ""),
            }
            boxes.append(wanted | ({"score": box["score"]} if "score" in box else {}))
    return boxes


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


# -- molecules ---------------------------------------------------------------------------------------------------------


def molecule(source: Path, stored: Path) -> Verdict:
    """A molecule: a PDB file as it is; MOL and SDF files as PDB files of their atoms."""
    if same_bytes(source, stored):
        return SAME_BYTES
    ours, theirs = (path.read_bytes().decode("utf-8", "replace") for path in (source, stored))
    suffix = source.suffix.lower()
    if suffix == ".pdb":
        lines = ours.splitlines(), theirs.splitlines()
        for index, (one, other) in enumerate(zip(*lines, strict=False)):
            if one != other:
                return _lines(index, one, other)
        return (
            counted("lines", len(lines[0]), len(lines[1])) if len(lines[0]) != len(lines[1]) else _bytes(source, stored)
        )
    read = _READERS.get(suffix)
    if read is None:
        return Verdict(None, f"atoms of {suffix or 'this'} files are not counted here")
    try:
        wanted = read(ours)
    except (ValueError, IndexError):
        return Verdict(None, "the atoms of the source file cannot be counted")
    try:
        held = _pdb_atoms(theirs)
    except (ValueError, IndexError):
        return BROKEN_STORED
    if len(wanted) != len(held):
        heavy = [atom for atom in wanted if atom.element != "H"]
        without = " (no hydrogen)" if len(heavy) == len(held) and all(atom.element != "H" for atom in held) else ""
        return Verdict(False, f"{len(wanted)} atoms in wandb, {len(held)} in SwanLab{without}")
    for index, (atom, there) in enumerate(zip(wanted, held, strict=True)):
        near = all(abs(a - b) <= _ANGSTROM for a, b in zip(atom.place, there.place, strict=True))
        if atom.element.upper() != there.element.upper() or not near:
            return two(f"atom {index}", (atom.element, *atom.place), (there.element, *there.place))
    return Verdict(True, "same atoms")


def _bytes(source: Path, stored: Path) -> Verdict:
    return other_bytes(source.read_bytes(), stored.read_bytes())


def _lines(index: int, one: str, other: str) -> Verdict:
    at = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    start = max(0, at - 10)
    return two(f"line {index}", one[start : start + 30], other[start : start + 30])


def _pdb_atoms(text: str) -> list[_Atom]:
    """Element and place of each atom, by the columns of the format. Raises ValueError."""
    atoms = []
    for line in text.splitlines():
        if line.startswith(("ATOM", "HETATM")):
            element = line[76:78].strip() or line[12:16].strip().strip("0123456789")[:1]
            atoms.append(_Atom(element, (float(line[30:38]), float(line[38:46]), float(line[46:54]))))
    return atoms


def _mol_atoms(text: str) -> list[_Atom]:
    """The same of the first molecule of a MOL or SDF file. Raises ValueError, IndexError."""
    lines = text.splitlines()
    if "V3000" in lines[3]:
        words = [line.split() for line in lines]
        start, end = words.index(["M", "V30", "BEGIN", "ATOM"]), words.index(["M", "V30", "END", "ATOM"])
        fields = words[start + 1 : end]
        return [_Atom(part[3], (float(part[4]), float(part[5]), float(part[6]))) for part in fields]
    count = int(lines[3][:3])
    atoms = [
        _Atom(line[31:34].strip(), (float(line[:10]), float(line[10:20]), float(line[20:30])))
        for line in lines[4 : 4 + count]
    ]
    if len(atoms) != count:
        raise ValueError("fewer atoms than it says")
    return atoms


_READERS: dict[str, Callable[[str], list[_Atom]]] = {".mol": _mol_atoms, ".sdf": _mol_atoms, ".sd": _mol_atoms}

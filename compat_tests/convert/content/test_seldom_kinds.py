"""Media of kinds and forms that a run seldom has, compared by content."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wandb_swan.parity.content import Verdict, compare

pytestmark = pytest.mark.live


def of_json(folder: Path, value: dict[str, Any], content: Any, stored: Any, kind: str = "echarts") -> Verdict:
    name = value.setdefault("path", "source.json")
    (folder / name).write_text(json.dumps(content))
    (folder / "stored").write_text(json.dumps(stored))
    return compare(value, folder, folder / "stored", kind)


def test_histograms_of_bins_of_one_width(tmp_path: Path) -> None:
    value = {"_type": "histogram", "values": [4, float("inf")], "packedBins": {"min": -1, "size": 0.5, "count": 2}}
    bars = [{"name": "-1.0 … -0.5", "value": 4}, {"name": "-0.5 … 0.0"}]
    stored = {"series": [{"type": "bar", "data": bars}], "xAxis": [{"data": ["-1 … -0.5", "-0.5 … 0"]}]}
    assert of_json(tmp_path, value, None, stored) == (True, "same bins")
    bars[0]["name"] = "-1 … -0.5"
    assert of_json(tmp_path, value, None, stored) == (True, "same bins")
    bars[0]["name"] = "-1.0 … 0.5"
    assert of_json(tmp_path, value, None, stored) == (False, "bin 0: -1.0 … -0.5 in wandb, -1.0 … 0.5 in SwanLab")
    edges: list[Any] = [-1, -0.5, "0.0"]
    stored = {**stored, "series": [{"type": "bar", "data": [4, None]}], "dataset": {"source": {"edge": edges}}}
    assert of_json(tmp_path, value, None, stored) == (True, "same bins")
    edges[2] = "1"
    assert of_json(tmp_path, value, None, stored) == (False, "bin 1: -0.5 … 0.0 in wandb, -0.5 … 1 in SwanLab")
    value["packedBins"] = {"min": -1, "size": 0.5, "count": 3}
    assert of_json(tmp_path, value, None, stored) == (None, "the histogram in wandb is broken")


def test_media_cells_as_older_versions_of_wandb_wrote_them(tmp_path: Path) -> None:
    item = {"_type": "image-file", "path": "media/images/cat.png", "caption": "a cat"}
    content = {"columns": ["a"], "data": [[item], [{"_type": "histogram"}], ["Image"]]}
    texts = ["image-file media/images/cat.png: a cat", "histogram", "image-file x.png"]
    stored = {"_swanLab": "table", "colDefs": [{"field": "a"}], "rowData": [{"a": text} for text in texts]}
    assert of_json(tmp_path, {"_type": "table-file"}, content, stored) == (True, "same cells")
    for at, text in enumerate(["image-file media/images/cat.png", "histogram: x", "image-filer"]):
        other = json.loads(json.dumps(stored))
        other["rowData"][at]["a"] = text
        found = of_json(tmp_path, {"_type": "table-file"}, content, other)
        assert found.same is False and found.how.startswith(f"cell {at}/a: ")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F", "PA"])
def test_pictures_of_every_mode(tmp_path: Path, mode: str) -> None:
    """What SwanLab gets as a PNG is the same as long as it keeps what a PNG can keep."""
    from wandb_swan.parity.content.pictures import differing

    grey = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
    picture = Image.new(mode, (8, 8)) if mode in ("I;16", "PA") else grey.convert(mode)
    other = picture.copy()
    assert differing(picture, other) == 0
    saved = io.BytesIO()
    png = (
        picture
        if mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
        else picture.convert("RGBA" if mode == "PA" else "RGB")
    )
    png.save(saved, "PNG")
    assert differing(picture, Image.open(saved)) == 0
    first = picture.getpixel((0, 0))
    other.putpixel((1, 1), tuple(200 for _ in first) if isinstance(first, tuple) else 200)
    assert differing(picture, other) == 1
    assert differing(other, picture) == 1


def test_what_a_picture_can_lose_unseen(tmp_path: Path) -> None:
    """More than 8 bits, the way up, and 16 bits of a picture that is over SwanLab's limit."""

    def said(source: str, save: Callable[[Path], None]) -> Verdict:
        save(tmp_path / "stored")
        return compare({"_type": "image-file", "path": source}, tmp_path, tmp_path / "stored", "image")

    deep = (np.arange(64).reshape(8, 8) * 1000).astype(np.uint16)
    Image.frombytes("I;16B", (8, 8), deep.byteswap().tobytes()).save(tmp_path / "big_endian.tiff")
    Image.fromarray(deep.astype(np.int32)).save(tmp_path / "wide.tiff")
    for name in ("big_endian.tiff", "wide.tiff"):
        assert said(name, lambda path: Image.fromarray(deep).save(path, "PNG")) == (True, "same pixels")
        clipped = Image.fromarray(deep).convert("RGB")
        assert said(name, lambda path: clipped.save(path, "PNG")) == (False, "63 of 64 pixels differ")  # noqa: B023
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    photo.save(tmp_path / "phone.webp", lossless=True, exif=exif)
    assert said("phone.webp", lambda path: photo.save(path, "PNG", exif=exif)) == (True, "same pixels")
    lost = said("phone.webp", lambda path: photo.save(path, "PNG"))
    assert lost == (False, "orientation 6 (EXIF) in wandb, 1 in SwanLab")
    noise = np.random.default_rng(0).integers(0, 65536, (2400, 2400)).astype(np.uint16)
    Image.fromarray(noise).save(tmp_path / "deep.png")
    grey = Image.fromarray((noise >> 8).astype(np.uint8))
    assert said("deep.png", lambda path: grey.save(path, "JPEG", quality=90)).same
    white = Image.fromarray(noise).convert("RGB")
    assert said("deep.png", lambda path: white.save(path, "JPEG", quality=90)).how.startswith("other colours: ")


MOL = """
  made by hand

  3  2  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.0000 O   0  0
    0.9572    0.0000    0.0000 {}   0  0
   -0.2400    0.9266    0.0000 C   0  0
  1  2  1  0
  1  3  1  0
M  END
"""
PDB = """HETATM    1  O1  UNL     1       0.000   0.000   0.000  1.00  0.00           O
HETATM    2  N1  UNL     1       0.957   0.000   0.000  1.00  0.00           N
HETATM    3  C1  UNL     1      -0.240   0.927   0.000  1.00  0.00           C
END
"""


def test_molecules_that_became_pdb(tmp_path: Path) -> None:
    value, stored = {"_type": "molecule-file", "path": "a.mol"}, tmp_path / "a.pdb"
    (tmp_path / "a.mol").write_text(MOL.format("N"))
    stored.write_text(PDB)
    assert compare(value, tmp_path, stored, "molecule") == (True, "same atoms")
    stored.write_text(PDB.replace("0.957", "0.959"))
    assert compare(value, tmp_path, stored, "molecule").how.startswith("atom 1: ('N', 0.9572, ")
    (tmp_path / "a.mol").write_text(MOL.format("H"))
    stored.write_text("".join(PDB.splitlines(keepends=True)[::2]))
    assert compare(value, tmp_path, stored, "molecule") == (False, "3 atoms in wandb, 2 in SwanLab (no hydrogen)")
    (tmp_path / "a.mol2").write_text("@")
    found = compare({**value, "path": "a.mol2"}, tmp_path, stored, "molecule")
    assert found == (None, "atoms of .mol2 files are not counted here")

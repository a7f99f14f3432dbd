"""Fonts for what is drawn onto pictures: Pillow's own, else one of this machine that has the letters."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_PREFERRED = (
    "notosanscjk", "notosanssc", "notosanshans", "sourcehansans", "pingfang", "hiragino sans gb", "stheiti", "msyh",
    "wqy-microhei", "wqy-zenhei", "simhei", "droidsansfallback", "notosans", "dejavusans", "arial unicode", "malgun",
    "meiryo", "yugoth", "applesdgothic",
)  # fmt: skip
"""How the names of fonts begin that are easy to read when small, those with Chinese, Japanese and Korean first."""
_OF_NO_USE = ("lastresort", "adobeblank", "adobenotdef")
"""Fonts that have a sign for every letter, and none that can be read."""
_MOST = 400
"""Fonts that are tried, at most."""


class Letters:
    """One font in one size, and what it cannot write."""

    def __init__(self, font: Any, wanted: str) -> None:
        self.font = font
        lacking = bytes(font.getmask("\U0010ffff"))  # the sign for what the font lacks
        self.lacking = frozenset(x for x in set(wanted) if not x.isascii() and bytes(font.getmask(x)) == lacking)

    def has(self, text: str) -> bool:
        return self.lacking.isdisjoint(text)


def letters_for(texts: Iterable[str], size: int) -> Letters:
    """A font of `size` pixels for all of `texts`: the one that lacks the fewest of their letters."""
    from PIL import ImageFont

    wanted = "".join(sorted(set().union(*texts)))
    best = Letters(ImageFont.load_default(size=size), wanted)
    if best.lacking:
        file = _with(frozenset(best.lacking))
        if file is not None:
            other = Letters(_plain(ImageFont.truetype(str(file), size)), wanted)
            best = other if len(other.lacking) < len(best.lacking) else best
    return best


def _plain(font: Any) -> Any:
    """The font in its regular weight: one of variable weight is thin at first."""
    with suppress(OSError, NotImplementedError, ValueError):
        font.set_variation_by_name("Regular")
    return font


@cache
def _with(letters: frozenset[str]) -> Path | None:
    """The font file of this machine that has the most of these letters, if any has one."""
    from PIL import ImageFont

    found: tuple[int, Path | None] = (0, None)
    for file in _files():
        try:
            has = len(letters) - len(Letters(ImageFont.truetype(str(file), 12), "".join(letters)).lacking)
        except (OSError, ValueError, SyntaxError):  # a broken font, or one of pictures in fixed sizes
            continue
        if has > found[0]:
            found = (has, file)
        if has == len(letters):
            break
    return found[1]


@cache
def _files() -> tuple[Path, ...]:
    """The font files of this machine, those that are preferred first."""
    files = sorted({path for folder in _folders() for path in _in(folder)}, key=lambda path: (_rank(path), str(path)))
    return tuple(files[:_MOST])


def _in(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        for name in names:
            if name.lower().endswith((".ttf", ".ttc", ".otf", ".otc")) and not name.lower().startswith(_OF_NO_USE):
                yield Path(parent, name)


def _rank(file: Path) -> tuple[int, bool]:
    name = file.name.lower()
    place = next((at for at, start in enumerate(_PREFERRED) if name.startswith(start)), len(_PREFERRED))
    plain = not any(style in name for style in ("bold", "black", "thin", "light", "italic", "oblique", "mono", "serif"))
    return place, not plain


def _folders() -> list[Path]:
    home = Path(os.path.expanduser("~"))  # noqa: PTH111  (Path raises without one)
    own = Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share") / "fonts"
    folders = [own, home / ".fonts", Path("/usr/local/share/fonts"), Path("/usr/share/fonts")]
    if sys.platform == "darwin":
        folders = [home / "Library/Fonts", Path("/Library/Fonts"), Path("/System/Library/Fonts"), *folders]
    if sys.platform == "win32":
        local, windows = os.environ.get("LOCALAPPDATA", ""), os.environ.get("WINDIR", r"C:\Windows")
        folders = [Path(local, "Microsoft/Windows/Fonts"), Path(windows, "Fonts")]
    with suppress(ImportError, ValueError):
        matplotlib = find_spec("matplotlib")  # it brings DejaVu Sans, which has Greek and Cyrillic
        if matplotlib is not None and matplotlib.origin:
            folders.append(Path(matplotlib.origin).parent / "mpl-data/fonts/ttf")
    return folders

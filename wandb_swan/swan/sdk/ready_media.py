"""SwanLab media objects around bytes that need no conversion, and how the content of any of them gets into its file."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...atomic_file import replacing


def ready(kind: Any, content: bytes, *, caption: str | None, **attributes: Any) -> Any:
    """A SwanLab media object of the class `kind` that holds `content` as it is.

    SwanLab's constructors decode and encode again: JPEG to PNG, 16-bit sound through floats, which is slow, needs
    Pillow or soundfile, and changes samples. So they are passed by (SwanLab 0.10: `transforms/*`, `_unwrap` names the
    attributes). Where another SwanLab has other attributes, it refuses the object as it is written: it is counted then.
    """
    media = kind.__new__(kind)
    for name, value in {"buffer": io.BytesIO(content), "caption": caption, **attributes}.items():
        setattr(media, name, value)
    return media


def made_from(media: Any, file: Path) -> None:
    """Notes the file that a media object was made from: if its content is that of the file, it is linked."""
    media._wandb_swan_file = file


def place_quickly(media: Any) -> None:
    """Has a media object put its content into SwanLab's folder without a wait for the disk, or link it.

    SwanLab 0.10 (`TransformMedia._attach_content`) waits for the disk with each file, some milliseconds, and not with
    its records, without which a file is nothing: a machine that goes down takes both. It also opens the file that is
    there: a link, through which it would write into wandb's file. Another SwanLab goes its own way.
    """
    theirs = getattr(media, "_attach_content", None)
    source = getattr(media, "_wandb_swan_file", None)

    def attach(*args: Any, **named: Any) -> Any:
        if named or [type(arg) for arg in args[2:]] != [bytes] or not isinstance(args[1], Path):
            return theirs(*args, **named)  # type: ignore[misc]
        item, folder, content = args
        _put(folder / item.filename, content, source)
        return item

    if theirs is not None:
        media._attach_content = attach


def _put(file: Path, content: bytes, source: Path | None) -> None:
    """Puts `content` into `file`: as a hard link to `source` where that has the same and the file system allows it.

    What is there already may be a link: it is replaced, never written into.
    """
    if source is not None and not _holds(source, content):
        source = None
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        _fill(file, content, source)
    except FileExistsError:
        if source is None or not file.samefile(source):
            with replacing(file) as fresh:
                fresh.unlink(missing_ok=True)
                _fill(fresh, content, source)


def _holds(file: Path, content: bytes) -> bool:
    with suppress(OSError):
        return file.stat().st_size == len(content) and file.read_bytes() == content
    return False


def _fill(file: Path, content: bytes, source: Path | None) -> None:
    """Makes a new file. Raises FileExistsError where there is one."""
    if source is not None:
        try:
            return file.hardlink_to(source)
        except FileExistsError:
            raise
        except OSError:  # another file system, one without hard links, a file of somebody else
            pass
    with file.open("xb") as out:
        out.write(content)

"""Compares the media items of one step: how many there are, their captions, and what they hold."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from ..stream.nested import Path, Tree
from ..swan import limits
from .cells import ABSENT, TABLES, Artifacts
from .cloud import CloudStored
from .content import TableSoFar, Verdict, compare, located
from .recorded import Media
from .stored import StoredRun
from .tally import Tally


class Held(NamedTuple):
    """What SwanLab has at one step of a metric."""

    name: str
    items: Sequence[Any]
    tables_name: str = ""
    """The metric of `tables`."""
    tables: Sequence[Any] = ()
    """If the items are charts that do not show all: the whole table of each."""
    charted: bool = False
    """Whether W&B draws charts of them."""
    of_table: Path = ()
    """The key path of the table of a chart."""


class Items:
    """Compares media items of a run with those that SwanLab has of it.

    Args:
        labels: The class names of masks, by (last part of the metric's key, layer).
        artifacts: Where the media in the cells of tables are.
        keys: The SwanLab keys that a metric may have.
    """

    def __init__(
        self,
        stored: StoredRun | CloudStored,
        labels: Mapping[tuple[str, str], Mapping[str, str]],
        artifacts: Artifacts,
        keys: Callable[[Path], Collection[str]],
    ) -> None:
        self._stored = stored
        self._labels = labels
        self._artifacts = artifacts
        self._keys = keys

    def compare(
        self,
        tally: Tally,
        where: tuple[Path, int],
        of_step: tuple[Media, list[Tree]],
        held: Held,
        tables: TableSoFar | None,
    ) -> None:
        """Items of one step on both sides, in order; `where`: key path and step. `tables` None: without the content."""
        path, step = where
        media, items = of_step
        kind = self._stored.kinds.get(held.name, "")
        wrong: list[str] = []
        if len(held.items) != len(items) and not any("_absent" in item for item in items):
            wrong.append(f"{len(items)} items in wandb, {len(held.items)} in SwanLab")
        for at, (item, kept) in enumerate(zip(_aligned(items, media, held.items), held.items, strict=False)):
            caption = item.get("caption")
            ours = limits.clean_text(str(caption)) if caption not in (None, "", False) else ""
            theirs = str(kept.caption)
            known = theirs in (ours, ours or " ")  # online, " " stands for none
            known = known or ("_absent" in item and theirs.startswith(f"{ours}: "))
            if kind != "text" and not known:
                wrong.append(f"item {at}: the caption {ours!r} in wandb, {theirs!r} in SwanLab")
            if tables is None:
                tally.same += 1
                continue
            whole = held.tables[at] if at < len(held.tables) else None
            verdict = self._compare((item, media.files), (held, kept, whole), tables, path)
            if verdict.same is None:
                tally.not_compared[verdict.how] += 1
            elif verdict.same:
                tally.same += 1
                tally.how[verdict.how] += 1
            else:
                wrong.append(f"item {at}: {verdict.how}" if len(items) > 1 else verdict.how)
        if len(held.tables) > len(items):
            wrong.append(f"{len(held.tables)} tables of {len(items)} charts in SwanLab")
        if wrong:
            tally.differs(step, "; ".join(wrong[:2]))

    def _compare(
        self, ours: tuple[Tree, FilePath | None], theirs: tuple[Held, Any, Any], tables: TableSoFar, path: Path
    ) -> Verdict:
        """One item on both sides. `ours`: the item, its folder; `theirs`: all items, this one, the table of a chart."""
        item, files = ours
        held, kept, whole = theirs
        labels = self._labels
        if "_absent" in item:
            return Verdict(None, ABSENT)
        with ExitStack() as stack:
            if "_artifact" in item:
                files, item, labels = stack.enter_context(self._artifacts.laid_out(item, path[-1]))
            return compare(
                item,
                files,
                file_of(self._stored, held.name, kept),
                self._stored.kinds.get(held.name, ""),
                sha256=kept.sha256,
                charted=held.charted,
                beside=file_of(self._stored, held.tables_name, whole) if whole else None,
                beside_sha256=whole.sha256 if whole else "",
                table=tables,
                labels=labels,
                path=path,
                rows=self._artifacts.whole(item, files) if str(item.get("_type")) in TABLES else None,
                keys=lambda column: self._keys((*(held.of_table or path), column)),
            )


def file_of(stored: StoredRun | CloudStored, name: str, item: Any) -> FilePath:
    """SwanLab's file of an item."""
    assert isinstance(stored, StoredRun)  # of the cloud, no content is compared
    return stored.file_of(name, item)


def _aligned(items: list[Tree], media: Media, kept: Sequence[Any]) -> list[Tree]:
    """The items that SwanLab can have: where it has fewer, those of which wandb's file is there.

    Those of a table say in their captions which they are.
    """
    if len(kept) >= len(items) or media.files is None:
        return items
    captions = {str(item.caption) for item in kept}
    there = [
        item
        for item in items
        if (item.get("caption") in captions if "_caption" in item else located(media.files, item.get("path")))
    ]
    return there if len(there) == len(kept) else items

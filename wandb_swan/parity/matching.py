"""Finds the SwanLab metric of every wandb metric, and compares the two: points, times, and what they hold."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from operator import sub
from typing import Any, Literal

from ..stream.nested import DEEPEST, Path, Tree
from ..stream.series import Series
from ..swan import limits
from .cells import ABSENT, Artifacts, with_cells
from .cloud import CloudStored
from .content import KINDS, TableSoFar
from .items import Held, Items, file_of
from .recorded import Media, Recorded, Text, json_digest, text_digest
from .report import MetricParity
from .stored import StoredRun
from .tally import BEYOND, NOUNS, Tally

Depth = Literal["full", "fast", "counts"]
"""How far a comparison goes: into the content of everything; counts for all and content for a sample of it; or no
content, as with SwanLab's cloud. Numbers are always compared."""

TEXT = ("text",)
SAMPLE = 4
"""Steps of a metric whose content is looked into by a fast comparison."""


class Matcher:
    """Finds the SwanLab metric of a wandb metric, and keeps which ones were found."""

    def __init__(self, recorded: Recorded, stored: StoredRun | CloudStored, depth: Depth) -> None:
        metadata = stored.metadata
        self._recorded = recorded
        self._stored = stored
        self._depth = depth
        artifacts = Artifacts(recorded.of_artifacts)
        self._media_of_all, unknown = with_cells(recorded, artifacts)
        self._below_unknown = tuple(f"{'/'.join(path)}/" for path in unknown)
        """How the keys of what may be in the cells of a table begin of which nothing is here."""
        self._items = Items(stored, recorded.mask_labels(), artifacts, self._candidates)
        self._renamed: dict[str, str] = metadata.get("keys") or {}
        self._names: dict[str, list[str]] = {}
        for name, dotted in self._renamed.items():
            self._names.setdefault(limits.config_text(dotted), []).append(name)
        if recorded.dotted:
            for name in (*stored.scalars, *stored.media):
                if "/" in name and name not in self._renamed:
                    self._names.setdefault(limits.config_text(name.replace("/", ".")), []).append(name)
        self._claimed: set[str] = set()
        self._shown_as_text: dict[str, set[int]] = {}
        """Text metric -> the steps that hold media which SwanLab has as a text."""
        self.losses: Counter[str] = Counter()
        self.reasons: dict[str, set[str]] = {}
        for loss in metadata.get("not_mirrored") or []:
            self.losses[loss["key"]] += int(loss["count"])
            self.reasons.setdefault(loss["key"], set()).add(str(loss["reason"]))
        self.left_out: Mapping[str, Any] = metadata.get("left_out") or {}
        """What the options of the conversion left out: media, console, system."""

    def metrics(self, *, system: bool) -> Iterator[MetricParity]:
        """Every metric of either side."""
        recorded = self._recorded
        for path, series in recorded.scalars.items():
            yield self._series(path, "scalar", series)
        for path, by_step in self._media_of_all.items():
            yield from self._media(path, by_step)
        if recorded.alerts:
            yield self._texts(("alerts",), recorded.alerts)
        for path, of_path in recorded.texts.items():
            yield self._texts(path, of_path)
        if "system" not in self.left_out and (system or any(map(self._has, recorded.system))):
            for path, series in recorded.system.items():
                yield self._series(path, "system", series)
        yield from self._unclaimed()

    # -- names -----------------------------------------------------------------------------------------------------

    def _candidates(self, path: Path) -> list[str]:
        plain = "/".join(path)
        names = self._names.get(limits.config_text(".".join(path)), [])
        return names if plain in self._renamed else [plain, *names]

    def _has(self, path: Path) -> bool:
        return any(name in self._stored.scalars for name in self._candidates(path))

    def _named(self, path: Path, kinds: tuple[str, ...], steps: Iterable[int]) -> str | None:
        """The free metric of one of these kinds that has most of these steps, and fewest others."""
        wanted = set(steps)
        held = self._stored.media
        names = [
            name
            for name in self._candidates(path)
            if name in held and name not in self._claimed and self._stored.kinds.get(name) in (*kinds, "media")
        ]
        return max(names, key=lambda name: len(wanted & held[name].keys()) * 2 - len(held[name]), default=None)

    def told(self, path: Path, values: int, *more: Path) -> str:
        """Why so many values of a metric are not in SwanLab as wandb has them, in the run's own words; "" if it does
        not say so of as many. What it says of them is used up: it does not explain others too."""
        keys = {limits.config_text(limits.clean_text(".".join(of))) for of in (path, *more)}
        if len(path) > DEEPEST:
            keys |= {".".join(path[:at]) for at in range(1, len(path))}
        found = [key for key in self.losses if limits.config_text(key) in keys]
        if values and "media" in self.left_out and path in self._media_of_all:
            return "left out by --no-media"
        if not values or sum(self.losses[key] for key in found) < values:
            return ""
        for key in found:
            used = min(values, self.losses[key])
            self.losses[key] -= used
            values -= used
        return "; ".join(sorted({reason for key in found for reason in self.reasons[key]}))

    # -- scalars ---------------------------------------------------------------------------------------------------

    def _series(self, path: Path, kind: str, series: Series) -> MetricParity:
        """A scalar metric; where several SwanLab names are possible, the one that is most like it."""
        if not len(series):  # all its rows were replaced when the run was resumed
            return self._result((path, kind, ""), [], {}, Tally(), "")
        names = [name for name in self._candidates(path) if name in self._stored.scalars and name not in self._claimed]
        found = [(name, *self._compare_series(series, self._stored.scalars[name])) for name in names]
        if not found and isinstance(self._stored, CloudStored):
            for name in self._candidates(path):
                if self._stored.kinds.get(name) == "scalar" and name not in self._claimed:
                    return self._counted(path, kind, series, name, self._stored)
        if not found:
            tally = Tally()
            tally.missing = len(series)
            return self._result((path, kind, ""), series.steps, {}, tally, f"0 of {len(series):,} values")
        name, tally, largest = min(found, key=lambda one: one[1].missing + one[1].extra + one[1].different)
        self._claimed.add(name)
        same = len(series) - tally.missing - tally.different
        timed = any(series.times) and not tally.other_time
        how = (", same bits and times" if timed else ", same bits") if same else ""
        whole = f"{same:,} of {len(series):,} values{how}"
        held = self._stored.scalars[name]
        return self._result((path, kind, name), series.steps, held, tally, whole, largest=largest)

    def _counted(self, path: Path, kind: str, ours: Series, name: str, stored: CloudStored) -> MetricParity:
        """A metric of which SwanLab's cloud gives a part of the points: how many there are at least, and the last."""
        self._claimed.add(name)
        tally = Tally()
        points, last = stored.counts[name]
        tally.not_compared["SwanLab's cloud gives a sample of the points"] += len(ours)
        if name not in stored.at_least:
            tally.missing, tally.extra = max(0, len(ours) - points), max(0, points - len(ours))
        if last is not None and last != max(ours.steps):
            tally.differs(last, f"the last step in SwanLab, {max(ours.steps)} in wandb")
        whole = f"{points:,} points or more of {len(ours):,}, last step {last}"
        return self._result((path, kind, name), ours.steps, dict.fromkeys(range(points)), tally, whole)

    def _compare_series(self, ours: Series, theirs: Series) -> tuple[Tally, float]:
        """What differs between two series, and the largest difference of two values."""
        clock = self._stored.clock
        tally = Tally()
        largest = 0.0
        pairs: Iterable[tuple[int, int]]
        if ours.steps == theirs.steps:  # the usual case: no lookup by step
            pairs = ((at, at) for at in range(len(ours)))
            if ours.values.tobytes() == theirs.values.tobytes() and all(ours.times):
                shifts = list(map(abs, map(sub, ours.times, theirs.times)))
                tally.time_shift = max(shifts, default=0.0)
                tally.other_time = sum(shift > clock for shift in shifts) if tally.time_shift > clock else 0
                pairs = ()
        else:
            places = {step: at for at, step in enumerate(theirs.steps)}
            absent = [step for step in ours.steps if step not in places]
            tally.missing = len(absent)
            known = set(ours.steps)
            self._more(tally, [step for step in theirs.steps if step not in known], max(ours.steps, default=-1))
            for step in absent[:3]:
                tally.example(f"step {step}: not in SwanLab")
            pairs = ((at, places[step]) for at, step in enumerate(ours.steps) if step in places)
        for at, other in pairs:
            one, two = ours.values[at], theirs.values[other]
            if one != two and not (math.isnan(one) and math.isnan(two)):
                tally.differs(ours.steps[at], f"{one!r} in wandb, {two!r} in SwanLab")
                gap = abs(one - two)
                largest = max(largest, math.inf if math.isnan(gap) else gap)
            elif one == 0.0 and math.copysign(1.0, one) != math.copysign(1.0, two):
                tally.differs(ours.steps[at], f"{one!r} in wandb, {two!r} in SwanLab")
            tally.time(ours.times[at], theirs.times[other], clock)
        return tally, largest

    # -- texts -----------------------------------------------------------------------------------------------------

    def _texts(self, path: Path, texts: dict[int, Text]) -> MetricParity:
        name = self._named(path, TEXT, texts)
        tally = Tally()
        tally.items = len(texts)
        if name is None:
            tally.missing = len(texts)
            return self._result((path, "text", ""), texts, {}, tally, f"0 of {len(texts):,} texts")
        self._claimed.add(name)
        held = {
            at: items for at, items in self._stored.media[name].items() if at in texts or not self._is_media(name, at)
        }
        chosen = self._chosen(texts)
        for step, text in texts.items():
            if step not in held:
                tally.missing += 1
                tally.example(f"step {step}: not in SwanLab")
                continue
            tally.time(text.time, self._stored.times.get((name, step)), self._stored.clock)
            wrong = self._text_differs(name, step, text) if step in chosen else None
            if wrong:
                tally.differs(step, wrong)
                continue
            tally.same += 1
            if step in chosen:
                tally.how["same words"] += 1
        self._more(tally, held.keys() - texts.keys(), self._recorded.last_step - (path == ("alerts",)))
        return self._result((path, "text", name), texts, held, tally, tally.compared("texts", len(chosen)))

    def _is_media(self, name: str, step: int) -> bool:
        return step in self._shown_as_text.get(name, ())

    def _text_differs(self, name: str, step: int, text: Text) -> str | None:
        """What is otherwise of a text, None if nothing is."""
        items = self._stored.media[name][step]
        if len(items) != 1:
            return f"{len(items)} texts in SwanLab"
        try:
            found = file_of(self._stored, name, items[0]).read_bytes().decode("utf-8", "replace")
        except OSError:
            return "its file is gone"
        if not text.is_json:
            return None if text_digest(found) == text.digest else f"another text: {found[:40]!r}"
        try:
            same = json_digest(json.loads(found)) == text.digest
        except (ValueError, RecursionError):
            same = False
        return None if same else f"another value: {found[:40]!r}"

    # -- media -----------------------------------------------------------------------------------------------------

    def _media(self, path: Path, by_step: dict[int, Media]) -> Iterator[MetricParity]:
        """A metric of media, one for each kind of item that it has had."""
        groups: dict[tuple[str, ...], dict[int, tuple[Media, list[Tree]]]] = {}
        for step, media in by_step.items():
            for item in media.items:
                kinds = KINDS.get(str(item.get("_type")), TEXT)
                groups.setdefault(kinds, {}).setdefault(step, (media, []))[1].append(item)
        for kinds, steps in groups.items():
            chart = self._recorded.chart_of(path) if "echarts" in kinds else None
            chart_name = self._named(chart, kinds, steps) if chart else None
            if chart and chart_name:
                yield self._media_of(chart, kinds, steps, path)
            if not chart_name or self._named(path, kinds, steps):
                yield self._media_of(path, kinds, steps)
        original = (*path, "original")
        layered = {
            step: (media, [{k: v for k, v in item.items() if k not in ("boxes", "masks")} for item in drawn])
            for step, (media, items) in groups.get(KINDS["image-file"], {}).items()
            if (drawn := [item for item in items if item.get("boxes") or item.get("masks")])
        }
        if original not in self._media_of_all and self._named(original, KINDS["image-file"], layered) and layered:
            yield self._media_of(original, KINDS["image-file"], layered)  # WANDB_SWAN_KEEP_ORIGINAL

    def _media_of(
        self, path: Path, kinds: tuple[str, ...], by_step: dict[int, tuple[Media, list[Tree]]], *table: Path
    ) -> MetricParity:
        """`path` is where SwanLab shows them, `table` the key of the table of a chart."""
        name = self._named(path, kinds, by_step)
        as_text = self._named(path, TEXT, by_step)
        held = self._stored.media.get(name, {}) if name else {}
        if name:
            self._claimed.add(name)
        tables_name = self._named(table[0], kinds, by_step) if table else None
        tally, chosen, tables = Tally(), self._chosen(by_step), TableSoFar()
        looked_into = 0
        for step, (media, items) in by_step.items():
            tally.items += len(items)
            if step in held and name:
                tally.time(media.time, self._stored.times.get((name, step)), self._stored.clock)
                grows = any(item.get("_type") == "incremental-table-file" for item in items)
                looks = step in chosen and not (grows and self._depth == "fast")
                looked_into += len(items) if looks else 0
                kept = Held(name, held[step])
                if table and tables_name:  # the whole tables of charts, under a key of their own or after the charts
                    more = self._stored.media[tables_name].get(step, [])
                    kept = Held(name, held[step], tables_name, more, charted=True, of_table=table[0])
                elif table:
                    shown, more = held[step][: len(items)], held[step][len(items) :]
                    kept = Held(name, shown, name, more, charted=True, of_table=table[0])
                self._items.compare(tally, (path, step), (media, items), kept, tables if looks else None)
            elif as_text and self._is_kept_as_text(as_text, step, media):
                tally.missing += 1
                tally.example(f"step {step}: kept as text")
            elif all("_absent" in item for item in items):  # a text, or what there is the name of alone
                tally.not_compared[ABSENT] += len(items)
            else:
                tally.missing += 1
                tally.example(f"step {step}: not in SwanLab")
        self._more(tally, held.keys() - by_step.keys(), self._recorded.last_step)
        compared = tally.compared(NOUNS[kinds[-1]], looked_into)
        return self._result((path, "media", name or ""), by_step, held, tally, compared, *table)

    def _is_kept_as_text(self, name: str, step: int, media: Media) -> bool:
        if step not in self._stored.media[name]:
            return False
        self._shown_as_text.setdefault(name, set()).add(step)
        return self._depth == "counts" or self._text_differs(name, step, media.as_text) is None

    def _chosen(self, steps: Iterable[int]) -> set[int]:
        """The steps whose content is looked into."""
        every = list(steps)
        if self._depth == "counts":
            return set()
        if self._depth == "full" or len(every) <= SAMPLE:
            return set(every)
        return {every[round(at * (len(every) - 1) / (SAMPLE - 1))] for at in range(SAMPLE)}

    def _more(self, tally: Tally, steps: Collection[int], last: int) -> None:
        """Counts points that SwanLab has and wandb does not; after the end of a cut log, nobody knows."""
        after = sum(step > last for step in steps) if self._recorded.is_cut else 0
        tally.extra += len(steps) - after
        if after:
            tally.not_compared[BEYOND] += after

    # -- results ---------------------------------------------------------------------------------------------------

    def _unclaimed(self) -> Iterator[MetricParity]:
        """What SwanLab has and wandb does not."""
        every: dict[str, Series | dict[int, list[Any]]] = {**self._stored.scalars, **self._stored.media}
        for name, held in every.items():
            if name in self._claimed:
                continue
            kind = "scalar" if isinstance(held, Series) else self._stored.kinds.get(name, "media")
            steps = [*held.steps] if isinstance(held, Series) else list(held)
            steps = [step for step in steps if not self._is_media(name, step)]
            if steps:
                tally = Tally()
                if self._below_unknown and name.startswith(self._below_unknown) and kind not in ("scalar", "text"):
                    tally.not_compared[ABSENT] += len(steps)
                    steps = []
                self._more(tally, steps, self._recorded.last_step)
                yield self._result(((name,), kind, name), [], dict.fromkeys(steps), tally, "not in wandb")

    def _result(
        self,
        where: tuple[Path, str, str],
        steps: Iterable[int],
        held: Series | Mapping[int, Any],
        tally: Tally,
        compared: str,
        *more: Path,
        largest: float = 0.0,
    ) -> MetricParity:
        """`where`: key path, kind, SwanLab key; `more`: other paths under which the losses may be."""
        path, kind, name = where
        ours = list(steps)
        every = ours or list(held.steps if isinstance(held, Series) else held)
        lacking = tally.missing + tally.different + tally.other_time
        return MetricParity(
            metric=limits.clean_text(".".join(path)),
            kind=kind,
            swanlab_key=name,
            points_wandb=len(ours),
            points_swanlab=len(held),
            first_step=min(every, default=None),
            last_step=max(every, default=None),
            missing=tally.missing,
            extra=tally.extra,
            different=tally.different,
            other_time=tally.other_time,
            largest_difference=largest,
            time_shift=tally.time_shift,
            compared=compared,
            not_compared=tuple(f"{count} x {why}" for why, count in tally.not_compared.items()),
            examples=tuple(tally.examples),
            told="" if tally.extra else self.told(path, lacking, *more),
        )

"""Parity: what wandb recorded of a run against what SwanLab holds of it, metric by metric."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from ..stream.config import without_own
from ..stream.events import Path, Tree
from ..stream.series import Series
from ..stream.state import state_of
from ..swan import limits
from ..swan.sdk.store import state_on_disk
from .expected import ExpectedRun, Item
from .report import MetricParity, Parity
from .stored import StoredRun, config_json


def compare_runs(
    recorded: ExpectedRun, stored: StoredRun, source: str, *, system: bool = False, same_source: bool = False
) -> Parity:
    """Compares what a source recorded with what SwanLab stored, in both directions.

    Args:
        recorded: What the source says.
        stored: What SwanLab has.
        source: How the source is called.
        system: Whether SwanLab should have system metrics. If not, they are compared where it has any: it watches a
            live run by itself.
        same_source: Whether the SwanLab run was made from this source: then it has its name, notes, tags, group, job
            type and state. W&B's server may have other ones than a run's folder.
    """
    metadata = stored.metadata
    matcher = _Matcher(stored, metadata.get("keys") or {})
    metrics = [
        *(matcher.series(path, "scalar", series) for path, series in recorded.scalars.items()),
        *(matcher.texts(path, digests) for path, digests in recorded.texts.items()),
        *(matcher.media(path, by_step) for path, by_step in recorded.media.items()),
    ]
    if system or any(matcher.has(path) for path in recorded.system):
        metrics += [matcher.series(path, "system", series) for path, series in recorded.system.items()]
    metrics += matcher.unclaimed()
    started, finished = recorded.started, recorded.finished
    return Parity(
        run_id=started.run_id if started else "",
        name=(started.name or started.run_id) if started else "",
        wandb=source,
        swanlab=str(stored.dir),
        metrics=tuple(sorted(metrics, key=lambda metric: (metric.kind, metric.metric))),
        config_differences=tuple(_config_differences(recorded.config, stored.config)),
        run_differences=tuple(_run_differences(recorded, stored)) if same_source else (),
        lines_wandb=recorded.lines,
        lines_swanlab=stored.lines,
        exit_code=finished.exit_code if finished else None,
        state=stored.state,
        short=recorded.short,
        not_mirrored=tuple(
            f"{item['key']}: {item['reason']} ({item['count']})" for item in metadata.get("not_mirrored") or []
        ),
    )


def _run_differences(recorded: ExpectedRun, stored: StoredRun) -> Iterator[str]:
    """What is otherwise of the run itself."""
    started, finished = recorded.started, recorded.finished
    if started is None:
        return
    expected = limits.described(started)
    expected["name"] = expected["name"] or limits.name(started.run_id)
    tags = expected.pop("tags")
    for name, value in expected.items():
        if stored.description.get(name) != (value or ""):
            yield f"{name}: {value or ''!r} in wandb, {stored.description.get(name)!r} in SwanLab"
    missing = [tag for tag in tags if tag not in stored.description.get("tags", ())]
    if missing:  # --tag may have added some
        yield f"tags {', '.join(missing)}: not in SwanLab"
    state = state_on_disk(state_of(finished)[0])
    if stored.state != state:
        yield f"state: {state} in wandb, {stored.state} in SwanLab"


class _Matcher:
    """Finds the SwanLab metric of a wandb metric, and keeps which ones were found."""

    def __init__(self, stored: StoredRun, renamed: dict[str, str]) -> None:
        self._stored = stored
        self._renamed = renamed
        self._names: dict[str, list[str]] = {}
        for name, dotted in renamed.items():
            self._names.setdefault(limits.config_text(dotted), []).append(name)
        self._claimed: set[str] = set()

    def _candidates(self, path: Path) -> list[str]:
        plain = "/".join(path)
        names = self._names.get(limits.config_text(".".join(path)), [])
        return names if plain in self._renamed else [plain, *names]

    def has(self, path: Path) -> bool:
        return any(name in self._stored.scalars for name in self._candidates(path))

    def series(self, path: Path, kind: str, series: Series) -> MetricParity:
        """A scalar metric; where several SwanLab names are possible, the one that is most like it."""
        names = [name for name in self._candidates(path) if name in self._stored.scalars and name not in self._claimed]
        candidates = [_compare_series(path, kind, series, name, self._stored.scalars[name]) for name in names]
        return self._claim(path, kind, series.steps, candidates)

    def texts(self, path: Path, digests: dict[int, bytes]) -> MetricParity:
        candidates = []
        for name in self._media_names(path):
            if self._stored.kinds.get(name) == "text":
                steps = self._stored.media[name]
                different = sum(
                    self._stored.digests(name, step) != [digest.hex()]
                    for step, digest in digests.items()
                    if step in steps
                )
                candidates.append(_presence(path, "text", list(digests), name, steps, different=different))
        return self._claim(path, "text", list(digests), candidates)

    def media(self, path: Path, by_step: dict[int, tuple[Item, ...]]) -> MetricParity:
        """A media metric: the number of items of each step, their captions, and the bytes of those that are copied."""
        candidates = []
        for name in self._media_names(path):
            held = self._stored.media[name]
            different = sum(step in held and not self._same_items(name, step, items) for step, items in by_step.items())
            candidates.append(_presence(path, "media", list(by_step), name, held, different=different))
        return self._claim(path, "media", list(by_step), candidates)

    def _same_items(self, name: str, step: int, items: tuple[Item, ...]) -> bool:
        held = self._stored.media[name][step]
        wanted = items[: limits.MEDIA_ITEMS]  # what is over it is counted as lost
        if len(held) != len(wanted):
            return False
        digests = self._stored.digests(name, step)
        shown = self._stored.kinds.get(name) != "text"  # what is kept as a text has no caption
        return all(
            there
            and there.startswith(item.digest)
            and kept.sha256 in ("", there)
            and (not shown or kept.caption in (item.caption, item.caption or " "))  # online " " stands for none
            for item, kept, there in zip(wanted, held, digests, strict=True)
        )

    def _media_names(self, path: Path) -> list[str]:
        return [name for name in self._candidates(path) if name in self._stored.media and name not in self._claimed]

    def _claim(self, path: Path, kind: str, steps: Iterable[int], candidates: list[MetricParity]) -> MetricParity:
        if candidates:
            best = min(candidates, key=lambda metric: metric.missing + metric.extra + metric.different)
            self._claimed.add(best.swanlab_key)
            return best
        return _presence(path, kind, list(steps), "", {})

    def unclaimed(self) -> list[MetricParity]:
        """What SwanLab has and wandb does not."""
        found = []
        every: dict[str, Series | dict[int, list[Any]]] = {**self._stored.scalars, **self._stored.media}
        for name, held in every.items():
            if name not in self._claimed:
                kind = "scalar" if isinstance(held, Series) else self._stored.kinds.get(name, "media")
                steps: Iterable[int] = held.steps if isinstance(held, Series) else held.keys()
                found.append(_presence((name,), kind, [], name, dict.fromkeys(steps)))
        return found


def _presence(
    path: Path, kind: str, steps: list[int], name: str, held: dict[int, Any], *, different: int = 0
) -> MetricParity:
    every = steps or list(held)
    return MetricParity(
        metric=limits.clean_text(".".join(path)),
        kind=kind,
        swanlab_key=name,
        points_wandb=len(steps),
        points_swanlab=len(held),
        first_step=min(every, default=None),
        last_step=max(every, default=None),
        missing=sum(step not in held for step in steps),
        extra=len(set(held).difference(steps)),
        different=different,
    )


def _compare_series(path: Path, kind: str, ours: Series, name: str, theirs: Series) -> MetricParity:
    missing = extra = different = 0
    largest = shift = 0.0
    if ours.steps == theirs.steps:  # the usual case: no lookup by step
        pairs: Iterable[tuple[int, int]] = ((at, at) for at in range(len(ours)))
    else:
        places = {step: at for at, step in enumerate(theirs.steps)}
        missing = sum(step not in places for step in ours.steps)
        extra = len(places.keys() - set(ours.steps))
        pairs = ((at, places[step]) for at, step in enumerate(ours.steps) if step in places)
    for at, other in pairs:
        one, two = ours.values[at], theirs.values[other]
        if one != two and not (math.isnan(one) and math.isnan(two)):
            different += 1
            gap = abs(one - two)
            largest = max(largest, math.inf if math.isnan(gap) else gap)
        if ours.times[at]:
            shift = max(shift, abs(ours.times[at] - theirs.times[other]))
    return MetricParity(
        metric=limits.clean_text(".".join(path)),
        kind=kind,
        swanlab_key=name,
        points_wandb=len(ours),
        points_swanlab=len(theirs),
        first_step=min(ours.steps),
        last_step=max(ours.steps),
        missing=missing,
        extra=extra,
        different=different,
        largest_difference=largest,
        time_shift=shift,
    )


def _config_differences(ours: Tree, theirs: Tree) -> list[str]:
    """One sentence for each value that is not the same on both sides."""
    left = _flat(without_own(ours))
    reserved = {"wandb_run_"} if "wandb_run" in ours else {"wandb_run"}
    right = _flat({key: value for key, value in theirs.items() if key not in reserved})
    found = [f"{key} = {value}: not in SwanLab" for key, value in left.items() if key not in right]
    found += [f"{key} = {value}: not in wandb" for key, value in right.items() if key not in left]
    found += [
        f"{key}: {value} in wandb, {right[key]} in SwanLab"
        for key, value in left.items()
        if key in right and right[key] != value
    ]
    return found


def _flat(tree: Tree, above: str = "") -> dict[str, str]:
    """Dotted key -> JSON text of the value, which keeps 0.5 and '0.5' apart."""
    flat: dict[str, str] = {}
    for key, value in tree.items():
        name = limits.config_text(f"{above}{key}")
        if isinstance(value, dict) and value:
            flat.update(_flat(value, f"{name}."))
        else:
            flat[name] = config_json(value)
    return flat

"""Compares what is no metric: the config, the summary, the console, saved files, artifacts, and the run itself."""

from __future__ import annotations

import filecmp
import math
import re
from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path as FilePath
from typing import Any

from ..stream.nested import Path, Tree
from ..swan import limits
from . import plain
from .artifacts import compare_artifacts
from .cloud import CloudStored
from .matching import Depth, Matcher
from .recorded import Line, Recorded
from .report import PartParity
from .stored import StoredRun, config_json
from .tally import BEYOND, NO_END

Stored = StoredRun | CloudStored
CLOCK = 1e-3
"""Seconds: two moments of a run's beginning or end that are no further apart are the same."""
FILES = 20
"""Saved files whose bytes are compared by a fast comparison; of the others, the size."""
_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\].*?(?:\x07|\x1b\\)|\x1b[@-Z\\-_]|[\x00-\x08\x0a-\x1f\x7f]", re.DOTALL
)
_STATES = {0: "finished", 255: "aborted", None: "crashed"}
_ENDED = {"finished": "finished", "failed": "crashed", "crashed": "crashed"}


def compare_parts(
    recorded: Recorded, stored: Stored, matcher: Matcher, *, depth: Depth, same_source: bool
) -> Iterator[PartParity]:
    """Every part of a run but its metrics; `same_source`: the SwanLab run was made from this very source."""
    yield _config(recorded, stored)
    yield _summary(recorded, stored)
    yield _console(recorded, stored, matcher)
    if recorded.saved and isinstance(stored, StoredRun):
        yield _files(recorded, stored, matcher, depth)
    if recorded.artifacts:
        yield compare_artifacts(recorded, stored.metadata, depth)
    yield _run(recorded, stored, same_source=same_source)
    if recorded.not_understood:
        yield _not_understood(recorded, matcher)


# -- config and summary ------------------------------------------------------------------------------------------------


def _config(recorded: Recorded, stored: Stored) -> PartParity:
    ours = _flat({key: value for key, value in recorded.config.items() if key != "_wandb"})
    reserved = {"wandb_run_"} if "wandb_run" in recorded.config else {"wandb_run"}
    theirs = _flat({key: value for key, value in stored.config.items() if key not in reserved})
    found = [f"{key} = {value}: not in SwanLab" for key, value in ours.items() if key not in theirs]
    more = [f"{key} = {value}: not in wandb" for key, value in theirs.items() if key not in ours]
    found += [] if recorded.is_cut else more
    other = [key for key, value in ours.items() if key in theirs and theirs[key] != value]
    found += [f"{key}: {ours[key]} in wandb, {theirs[key]} in SwanLab" for key in other]
    same = sum(theirs.get(key) == value for key, value in ours.items())
    return PartParity(
        part="config",
        compared=f"{same:,} of {len(ours):,} values, with their types",
        differences=tuple(found),
        not_compared=(f"{len(more)} x values {BEYOND}",) if more and recorded.is_cut else (),
    )


def _flat(tree: Tree, above: str = "") -> dict[str, str]:
    """Dotted key -> JSON text of the value, which keeps 0.5 and '0.5' apart."""
    flat: dict[str, str] = {}
    for key, value in tree.items():
        name = limits.config_text(f"{above}{key}")
        if isinstance(value, dict) and value:
            flat.update(_flat(value, f"{name}."))
        else:
            flat[name] = _json(value)
    return flat


def _json(value: Any) -> str:
    """A value as JSON; infinities and NaN, of which SwanLab's config has the names alone, by these."""
    return config_json(_spelled(value))


def _spelled(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Inf" if value > 0 else "-Inf"
    if isinstance(value, list):
        return [_spelled(item) for item in value]
    if isinstance(value, dict):
        return {key: _spelled(item) for key, item in value.items()}
    return value


def _summary(recorded: Recorded, stored: Stored) -> PartParity:
    """wandb's summary: SwanLab's config has of it what is not just a metric's last value."""
    kept = _flat(stored.metadata.get("summary") or {})
    found: list[str] = []
    every = declared = 0
    wanted: dict[str, str] = {}
    for path, value in plain.leaves(recorded.summary):
        if path[0] in plain.OF_WANDB:
            continue
        parts = _flat({".".join(path): value})
        if _is_last(recorded, path, value):
            wanted |= {} if _of_media(recorded, path, value) else parts
            continue
        wanted |= parts
        for key, text in parts.items():
            every += 1
            declared += kept.get(key) == text
            if kept.get(key) != text:
                found.append(f"{key}: {text} in wandb, {kept.get(key, 'nothing')} in SwanLab")
    found += [f"{key} = {text}: not in wandb, or logged there" for key, text in kept.items() if key not in wanted]
    compared = f"{declared:,} of {every:,} values that are no metric's last" if every else "the metrics' last values"
    if found and recorded.is_cut:  # wandb's core writes it at the end
        return PartParity(part="summary", compared=compared, not_compared=(f"{len(found)} x values: {NO_END}",))
    return PartParity(part="summary", compared=compared, differences=tuple(found))


def _is_last(recorded: Recorded, path: Path, value: Any) -> bool:
    """Whether a value of the summary is the last one that was logged, or what the summary has of logged media."""
    if _of_media(recorded, path, value):
        return "_summary_" not in " ".join(_files_of(value))
    for where in (path, (".".join(path),)):
        last = recorded.numbers_last(where)
        number = plain.number(value)
        if last is not None and number is not None and (last == number or (math.isnan(last) and math.isnan(number))):
            return True
        if where in recorded.last and _json(recorded.last[where]) == _json(value):
            return True
    return False


def _of_media(recorded: Recorded, path: Path, value: Any) -> bool:
    """Whether a value of the summary is media, of a key that had media in a row."""
    keys = [path, (".".join(path),), path[:-1] if path[-1] == "last" else path]  # declared: `<key>.last`
    return bool(plain.media_items(value, path[-1])) and any(recorded.media.get(key) for key in keys)


def _files_of(value: Any) -> Iterator[str]:
    """The texts in some media that name files in wandb's folder of media."""
    if isinstance(value, str) and value.startswith("media/"):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _files_of(part)


# -- console -----------------------------------------------------------------------------------------------------------


def console_lines(recorded: Recorded) -> list[Line]:
    """wandb's console lines as SwanLab has to have them."""
    return [piece for line in recorded.lines for piece in _pieces(line)]


def _console(recorded: Recorded, stored: Stored, matcher: Matcher) -> PartParity:
    if "console" in matcher.left_out:
        return PartParity(part="console", compared="nothing", told=("left out by --no-console",))
    ours = console_lines(recorded)
    if isinstance(stored, CloudStored):
        compared = f"{stored.lines:,} lines in SwanLab, {len(ours):,} in wandb"
        # SwanLab adds the error of a run, each time that it ends; a live run may share its experiment with other parts.
        known = stored.metadata.get("error_lines") or (stored.state != "finished")
        before = stored.metadata.get("lines_before") or 0
        most = math.inf if "versions" in stored.metadata else before + len(ours) + known
        wrong = (compared,) if not len(ours) <= stored.lines <= most else ()
        return PartParity(part="console", compared=f"{compared}: the number alone", differences=wrong)
    theirs = [Line(visible(text), stderr) for text, stderr in stored.lines]
    if not recorded.lines_have_streams:
        ours, theirs = ([Line(line.text, stderr=False) for line in side] for side in (ours, theirs))
    beyond = theirs[len(ours) :]
    if stored.error and beyond and _flow(beyond) == " ".join(visible(stored.error).split()):
        theirs = theirs[: len(ours)]
    late = stored.metadata.get("late_lines")
    if late and Counter(ours) == Counter(theirs):
        compared = f"{len(ours):,} of {len(ours):,} lines, those of other processes ({late:,}) at the end"
        return PartParity(part="console", compared=compared)
    same = sum(one == other for one, other in zip(ours, theirs, strict=False))
    streams = ", by stream" if recorded.lines_have_streams else ""
    compared = f"{same:,} of {len(ours):,} lines, in order{streams}"
    if ours == theirs:
        return PartParity(part="console", compared=compared)
    if recorded.is_cut and ours == theirs[: len(ours)]:
        more = (f"{len(theirs) - len(ours)} x lines {BEYOND}",)
        return PartParity(part="console", compared=compared, not_compared=more)
    reason = matcher.told(("console output",), len(ours) - len(theirs)) if not theirs else ""
    if reason:
        return PartParity(part="console", compared=compared, told=(f"{len(ours)} lines: {reason}",))
    number, one, other = next((at, *both) for at, both in enumerate(zip_longest(ours, theirs), 1) if both[0] != both[1])
    what = f"line {number}: {_said(one)} in wandb, {_said(other)} in SwanLab"
    if len(ours) != len(theirs):
        what = f"{len(ours)} lines in wandb, {len(theirs)} in SwanLab; {what}"
    return PartParity(part="console", compared=compared, differences=(what,))


def visible(text: str) -> str:
    return limits.clean_text(_CONTROL.sub("", text))


def _pieces(line: Line) -> Iterator[Line]:
    text = visible(line.text)
    for start in range(0, len(text) or 1, limits.CONSOLE_LENGTH):
        yield Line(text[start : start + limits.CONSOLE_LENGTH], line.stderr)


def _flow(lines: list[Line]) -> str:
    return " ".join(" ".join(line.text for line in lines).split())


def _said(line: Line | None) -> str:
    return "nothing" if line is None else f"{line.text[:60]!r}{' (stderr)' if line.stderr else ''}"


# -- files -------------------------------------------------------------------------------------------------------------


def _files(recorded: Recorded, stored: StoredRun, matcher: Matcher, depth: Depth) -> PartParity:
    found: list[str] = []
    told: list[str] = []
    unseen: list[str] = []
    same = looked_into = 0
    for path, folder in recorded.saved.items():
        kept = stored.dir / "files" / path
        reason = matcher.told((path,), 1)
        if reason:
            told.append(f"{path}: {reason}")
            continue
        if FilePath(path).is_absolute() or ".." in FilePath(path).parts:
            found.append(f"{path}: a path that leaves the folder")
            continue
        if not kept.is_file():
            found.append(f"{path}: not in SwanLab")
            continue
        if path in recorded.sizes and kept.stat().st_size != recorded.sizes[path]:
            found.append(f"{path}: {recorded.sizes[path]} bytes as W&B says, {kept.stat().st_size} in SwanLab")
            continue
        if folder is None or not (folder / path).is_file():
            unseen.append(f"{path}: the source file is not there")
            continue
        whole = depth == "full" or looked_into < FILES
        looked_into += whole
        wrong = _bytes_differ(folder / path, kept, whole=whole)
        if wrong:
            found.append(f"{path}: {wrong}")
        else:
            same += 1
    how = "same bytes" if same <= looked_into else f"same size, {looked_into} of them looked into: same bytes"
    compared = f"{same:,} of {len(recorded.saved):,} files, {how}"
    return PartParity(
        part="files", compared=compared, differences=tuple(found), told=tuple(told), not_compared=tuple(unseen)
    )


def _bytes_differ(ours: FilePath, theirs: FilePath, *, whole: bool) -> str | None:
    try:
        sizes = ours.stat().st_size, theirs.stat().st_size
        if sizes[0] != sizes[1]:
            return f"{sizes[0]} bytes in wandb, {sizes[1]} in SwanLab"
        return "other bytes" if whole and not filecmp.cmp(ours, theirs, shallow=False) else None
    except OSError as error:
        return f"cannot be read: {error}"


# -- the run -----------------------------------------------------------------------------------------------------------


def _run(recorded: Recorded, stored: Stored, *, same_source: bool) -> PartParity:
    found: list[str] = []
    compared: list[str] = []

    def check(name: str, ours: Any, theirs: Any, within: float = 0.0) -> None:
        compared.append(name)
        if abs(ours - theirs) > within if within else ours != theirs:
            found.append(f"{name}: {ours!r} in wandb, {theirs!r} in SwanLab")

    about, described = recorded.about, stored.description
    live = "versions" in stored.metadata and stored.metadata.get("mode") not in (None, "online")
    if live and about:  # what is empty here, W&B's server may have given
        for name, ours in (
            ("name", limits.name(about["name"])),
            ("notes", limits.description(about["notes"])),
            ("group", limits.name(about["group"])),
            ("job_type", limits.name(about["job_type"])),
            ("tags", limits.tags(tuple(about["tags"]))),
        ):
            if ours:
                check(name, ours, described.get({"notes": "description"}.get(name, name)))
    if same_source and about:
        check("name", limits.name(about["name"]) or limits.name(about["id"]), described.get("name"))
        notes = limits.description(about["notes"]) or ""
        if stored.metadata.get("continues") and str(described.get("description")).endswith(notes):
            compared.append("notes")  # before them stands which experiment this one goes on from
        else:
            check("notes", notes, described.get("description"))
        compared.append("tags")
        missing = [tag for tag in limits.tags(tuple(about["tags"])) if tag not in described.get("tags", ())]
        if missing:  # --tag may have added some
            found.append(f"tags {', '.join(missing)}: not in SwanLab")
        check("group", limits.name(about["group"]) or "", described.get("group"))
        check("job_type", limits.name(about["job_type"]) or "", described.get("job_type"))
        ended = _ENDED.get(recorded.ended, "aborted") if recorded.ended else _STATES.get(recorded.exit_code, "crashed")
        check("state", ended, stored.state)
        if recorded.started_at and isinstance(stored, StoredRun):
            check("created", recorded.started_at, stored.started_at, CLOCK)
        if recorded.finished_at and isinstance(stored, StoredRun):
            check("finished", recorded.finished_at, stored.finished_at, CLOCK)
    if recorded.exit_code is not None:
        check("exit code", recorded.exit_code, stored.metadata.get("exit_code"))
    return PartParity(part="run", compared=", ".join(compared), differences=tuple(found))


def _not_understood(recorded: Recorded, matcher: Matcher) -> PartParity:
    """What neither reader understands has to be among the losses that the run names."""
    found, told = [], []
    for (key, why), count in recorded.not_understood.items():
        reason = matcher.told((key,), count)
        if reason:
            told.append(f"{key}: {reason}")
        else:
            found.append(f"{key}: {count} of a form that is not known here ({why})")
    compared = f"{sum(recorded.not_understood.values())} of a form that is not known here"
    return PartParity(part="record", compared=compared, differences=tuple(found), told=tuple(told))

"""Every switch of a run: its variables, its default, what it may be and what it means. Standard library alone.

This is the one table: the training process reads it with the few lines below, `settings` makes the pydantic model of
it, and messages and the reference name what it says is allowed.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .defaults import FINISH_TIMEOUT, LOG_DIR, MIRRORS, MODES, MODES_ALLOWED, Mirrors, Mode, plain_mode
from .exceptions import WandbSwanError

PREFIX = "WANDB_SWAN"
OTHERS = frozenset({"WANDB_SWAN_RETRY_PAUSE"})
"""Variables that are no switch of a run: seconds between two tries of a conversion's downloads."""

_YES, _NO = {"1", "true", "t", "yes", "y", "on"}, {"0", "false", "f", "no", "n", "off"}


def _truth(value: Any) -> bool:
    word = str(value).strip().lower()
    if word in _YES or word in _NO:
        return word in _YES
    raise ValueError


def _mode(value: Any) -> Mode:
    mode = plain_mode(str(value).strip().lower())
    if mode in MODES:
        return mode  # type: ignore[return-value]
    raise ValueError


def _mirrors(value: Any) -> Mirrors:
    word = str(value).strip().lower()
    if word in MIRRORS:
        return word  # type: ignore[return-value]
    raise ValueError


def _seconds(value: Any) -> float:
    seconds = float(value)
    if math.isfinite(seconds) and seconds >= 0:
        return seconds
    raise ValueError


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ValueError


def _folder(value: Any) -> Path:
    if "\0" in os.fspath(value):
        raise ValueError
    return Path(value)


class Allowed:
    """What a switch may be: how it is read, and the words for it."""

    def __init__(self, words: str, read: Callable[[Any], Any]) -> None:
        """`read` raises ValueError or TypeError for anything else."""
        self.words = words
        self.read = read


TRUTH = Allowed("true or false", _truth)
_ON = Allowed("0 or 1", _truth)
_MODE = Allowed(MODES_ALLOWED, _mode)
_MIRRORS = Allowed(", ".join(MIRRORS), _mirrors)
_SECONDS = Allowed("a number of seconds, 0 or more", _seconds)
_TEXT = Allowed("a text", _text)
_FOLDER = Allowed("a folder", _folder)
_PYTHON = Allowed("the path of a Python", _folder)


def _switch(default: Any, allowed: Allowed, means: str, *variables: str) -> Any:
    return dataclasses.field(
        default=default, metadata={"variables": variables, "allowed": allowed, "means": " ".join(means.split())}
    )


@dataclasses.dataclass(frozen=True)
class Switches:
    """The switches of one run. `None` means: as SwanLab's own settings say, else as the comment says.

    Source of a value, later ones win: default, `SWANLAB_*` (where named here), `WANDB_SWAN_*`, `sync_wandb()`,
    `wandb_swan.init()`.
    """

    enabled: bool = _switch(True, _ON, "`0`: pure passthrough to wandb.", "WANDB_SWAN")
    mode: Mode | None = _switch(
        None,
        _MODE,
        "Where SwanLab records. Not set: online where SwanLab credentials exist, else offline.",
        "WANDB_SWAN_MODE",
        "SWANLAB_MODE",
    )
    wandb_run: bool = _switch(
        True,
        TRUTH,
        'False: nothing is uploaded to W&B, the real wandb run is made with `mode="offline"`.',
        "WANDB_SWAN_WANDB_RUN",
    )
    workspace: str | None = _switch(None, _TEXT, "SwanLab workspace.", "WANDB_SWAN_WORKSPACE")
    project: str | None = _switch(None, _TEXT, "SwanLab project. Not set: the wandb project.", "WANDB_SWAN_PROJECT")
    log_dir: Path = _switch(
        Path(LOG_DIR),
        _FOLDER,
        """SwanLab's log directory, in the folder that the program was started in. A live run's default is in WANDB_DIR
        if that is given; `init(dir=)` is wandb's alone.""",
        "WANDB_SWAN_LOG_DIR",
        "SWANLAB_LOG_DIR",
    )
    journal_dir: Path | None = _switch(
        None, _FOLDER, "Folder of the journals. Not set: `<log_dir>/journals`.", "WANDB_SWAN_JOURNAL_DIR"
    )
    finish_timeout: float = _switch(
        FINISH_TIMEOUT,
        _SECONDS,
        "Seconds that `finish()` waits for the mirror; then it goes on alone.",
        "WANDB_SWAN_FINISH_TIMEOUT",
    )
    keep_journal: bool = _switch(
        False, TRUTH, "True: the journal stays after its SwanLab run is finished.", "WANDB_SWAN_KEEP_JOURNAL"
    )
    keep_wandb: bool = _switch(
        True,
        TRUTH,
        "False, with `wandb_run` false: W&B's own folder of a run is removed once SwanLab has all of it.",
        "WANDB_SWAN_KEEP_WANDB",
    )
    plotly_inline: bool = _switch(
        False,
        TRUTH,
        "True: pages of plotly figures hold plotly.js, about 5 MB each, for networks that do not reach its CDN.",
        "WANDB_SWAN_PLOTLY_INLINE",
    )
    keep_original: bool = _switch(
        False,
        TRUTH,
        "True: an image with boxes or masks is also kept without them, under `<key>/original`.",
        "WANDB_SWAN_KEEP_ORIGINAL",
    )
    python: Path | None = _switch(
        None,
        _PYTHON,
        "The Python whose environment holds the mirror. Not set: this one if it has SwanLab, else the sidecar's.",
        "WANDB_SWAN_PYTHON",
    )
    mirror: Mirrors = _switch(
        "auto",
        _MIRRORS,
        """Who mirrors the run. `auto`: a `wandb-swan relay` that looks after the folder of its journal, else a process
        of its own; `here`: a process of its own; `relay`: a relay alone, now or later.""",
        "WANDB_SWAN_MIRROR",
    )

    @property
    def journals(self) -> Path:
        """The folder of the journals."""
        return self.journal_dir or self.log_dir / "journals"

    def plain(self) -> dict[str, Any]:
        """As JSON has them."""
        values = dataclasses.asdict(self)
        return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}


TABLE = {field.name: field for field in dataclasses.fields(Switches)}


def variables(name: str) -> tuple[str, ...]:
    """The variables of a switch: the first one that is set counts."""
    found: tuple[str, ...] = TABLE[name].metadata["variables"]
    return found


def allowed(name: str) -> Allowed:
    """What a switch may be."""
    found: Allowed = TABLE[name].metadata["allowed"]
    return found


def given(arguments: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The switches that are set, by the code (`None` is not given) or else by a variable; an empty one is not set.

    Raises:
        WandbSwanError: a value is not allowed; the text names the variable or argument, the value and what is allowed.
    """
    env = {name.upper(): value for name, value in (os.environ if environment is None else environment).items() if value}
    found, wrong = {}, []
    for name in TABLE:
        value = arguments.get(name)
        where = name
        if value is None:
            where, value = next(((one, env[one]) for one in variables(name) if one in env), (name, None))
        if value is None:
            continue
        try:
            found[name] = allowed(name).read(value)
        except (ValueError, TypeError, OverflowError):
            wrong.append(f"{where}={value!r} is not allowed; use {allowed(name).words}")
    if wrong:
        raise WandbSwanError("; ".join(wrong))
    return found


def unknown_variables(environment: Mapping[str, str] | None = None) -> list[str]:
    """One sentence for each variable that looks like a switch and is none."""
    known = {name for switch in TABLE for name in variables(switch) if name.startswith(PREFIX)} | OTHERS
    found = []
    for variable in sorted(os.environ if environment is None else environment):
        name = variable.upper()  # in which case a variable is written does not matter
        if name in known or not name.startswith("W"):
            continue
        import difflib

        ours = name.startswith(PREFIX)
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.9)
        if ours and not near:  # by what is not the same in all
            rest = {other[len(PREFIX) :]: other for other in known}
            near = [rest[end] for end in difflib.get_close_matches(name[len(PREFIX) :], rest, n=1, cutoff=0.65)]
        if near:
            found.append(f"{variable} is no switch; did you mean {near[0]}?")
        elif ours:
            found.append(f"{variable} is no switch; `wandb-swan run --help` and the README list them")
    return found

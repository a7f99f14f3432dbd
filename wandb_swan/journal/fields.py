"""The fields of a journal's notes and of its status file, as the training process writes and reads them: plain dicts.

`models` has the same fields for whoever may import pydantic, which the training process does not for these; a test
holds both together.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import (
    Any,
    Dict,
    Final,
    List,
    Literal,
    Optional,
    TypedDict,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

FORMAT: Final = 1
"""The format of the journals that this version writes and reads. A change that an older version cannot read correctly
gets a new number; a field more is no such change."""

PYTHON_CORE: Final = "python"
"""Of `VersionFields.core`."""

_Fields = TypeVar("_Fields")


class VersionFields(TypedDict):
    """What wrote the journal."""

    wandb_swan: str
    wandb: str
    python: str
    core: str
    """What gives rows their steps: `python` (`PYTHON_CORE`), wandb's up to 0.17, or `go`."""


class RunFields(TypedDict):
    """The wandb run: where its files are, and what only its settings say."""

    id: Optional[str]
    mode: str
    shared: bool
    """Whether several processes write to the run."""
    primary: bool
    dir: str
    files: str
    log: str
    """wandb's own transaction log."""
    journals: str
    """The journal's own folder: what lies near it is found from there, where it is under another name."""
    log_written: bool
    url: Optional[str]
    fork_from: Optional[str]
    resume_from: Optional[str]
    joined_at: Optional[int]
    """wandb's step at which a run that had begun before was tapped; None: from its start."""


class IdentityFields(TypedDict):
    """A process, so that any other can tell whether it still lives (`life.identity`)."""

    pid: int
    started: Optional[int]
    """Clock ticks after the boot; None: no /proc."""
    boot: str
    namespace: str
    host: str
    time: float
    """Seconds since the epoch at which this was noted."""


class SpoolFields(IdentityFields):
    """What is said beside a journal whose last records are elsewhere (`spool`): the process that writes them, and
    where."""

    path: str
    """The file, on that process's machine."""


class TrainerFields(IdentityFields):
    """The training process."""

    argv: List[str]
    executable: str
    cwd: str


class SettingsFields(TypedDict):
    """The switches of the run (`switches.Switches`)."""

    enabled: bool
    mode: Optional[str]
    wandb_run: bool
    workspace: Optional[str]
    project: Optional[str]
    log_dir: str
    journal_dir: Optional[str]
    finish_timeout: float
    keep_journal: bool
    keep_wandb: bool
    plotly_inline: bool
    keep_original: bool
    python: Optional[str]
    mirror: str


class BeginFields(TypedDict):
    """The first note of a journal."""

    type: Literal["begin"]
    format: int
    versions: VersionFields
    run: RunFields
    trainer: TrainerFields
    settings: SettingsFields


class CauseFields(TypedDict):
    """The note of the exception that ends the run, if one does."""

    type: Literal["exit"]
    exception: str
    traceback: str


class BeatFields(TypedDict):
    """A sign of life of a run that logs nothing: older versions pass over it."""

    type: Literal["beat"]


class EndFields(TypedDict):
    """The last note of a journal: the training process writes no more."""

    type: Literal["end"]
    exit_code: Optional[int]
    """Given where wandb's core ends the run by itself, so that no exit record passes the tap."""


class LossFields(TypedDict, total=False):
    """Values of one key that SwanLab has no place for, or refused, for one reason."""

    key: str
    reason: str
    count: int


class SelfCheckFields(TypedDict, total=False):
    """What holding the replay against wandb's own log has shown."""

    rows_compared: int
    rows_added_from_log: int
    differences: int
    first_differences: List[str]
    log_read_to_its_end: bool


class PartFields(TypedDict, total=False):
    """The steps of one part of a run (`swan.parts.Part`)."""

    steps_before: int
    rows_before: Optional[int]
    step_offset: Optional[int]
    first_step: Optional[int]
    last_step: int
    last_row: int


class StatusFields(TypedDict, total=False):
    """The status file of a mirror; `models.MirrorStatus` says what each field means."""

    state: Optional[str]
    pid: Optional[int]
    updated: Optional[float]
    mode: str
    no_credentials: bool
    run_id: Optional[str]
    project: Optional[str]
    run_dir: Optional[str]
    url: Optional[str]
    superseded: List[str]
    sent_at: float
    lines_before: Optional[int]
    part: Optional[PartFields]
    refused: Dict[str, int]
    counts: Dict[str, int]
    not_mirrored: List[LossFields]
    capabilities: Dict[str, str]
    self_check: Optional[SelfCheckFields]
    unreadable: int
    unknown_records: Dict[str, int]
    offset: Optional[int]
    unsent: int
    reason: Optional[str]
    obstacle: Optional[str]
    result: Optional[str]
    torn: Optional[str]
    only_copy: Optional[str]
    elsewhere: Optional[str]
    wandb_folder: Optional[str]
    size: Optional[int]


_WHOLE: Final = (IdentityFields, PartFields)
"""Of these, a field of a wrong type costs all: half of where the steps go is nowhere, half of a process is none."""


def usable(form: type[_Fields], found: object) -> _Fields:
    """The fields of `found`, a JSON value, that have the type which `form`, a TypedDict, gives them.

    A field of another type counts as not there, and so do all fields if `found` is no object.
    """
    try:
        return cast(_Fields, _fields(form, found))
    except TypeError:
        return cast(_Fields, {})


def _fields(form: Any, found: object) -> dict[str, Any]:
    """As `usable`. Raises TypeError where nothing can be used."""
    if not isinstance(found, dict):
        raise TypeError
    fields = {}
    for name, kind in _kinds(form).items():
        if name in found:
            try:
                fields[name] = _of_kind(kind, found[name])
            except TypeError:
                if form in _WHOLE:
                    raise
    return fields


@lru_cache(maxsize=None)
def _kinds(form: type) -> dict[str, Any]:
    return get_type_hints(form)


def _of_kind(kind: Any, value: Any) -> Any:
    """A JSON value of a kind. Raises TypeError if it is of another."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Union:  # always with None
        return None if value is None else _of_kind(arguments[0], value)
    if hasattr(kind, "__total__"):  # a TypedDict
        return _fields(kind, value)
    if origin is list and isinstance(value, list):
        return [_of_kind(arguments[0], item) for item in value]
    if origin is dict and isinstance(value, dict):
        return {key: _of_kind(arguments[1], item) for key, item in value.items()}
    if kind is float and type(value) in (int, float):
        try:
            number = float(value)
        except OverflowError:
            raise TypeError from None
        if math.isfinite(number):
            return number
    elif type(value) is kind and kind is not type(None):  # True is no number
        return value
    raise TypeError

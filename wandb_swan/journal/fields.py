"""The fields of a journal's notes and of its status file, as the training process writes and reads them: plain dicts.

`models` has the same fields for whoever may import pydantic, which the training process does not for these; a test
holds both together.
"""

from __future__ import annotations

import math
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Literal, TypedDict, TypeVar, cast, get_args, get_origin, get_type_hints, is_typeddict

FORMAT: Final = 1
"""The format of the journals that this version writes and reads. A change that an older version cannot read correctly
gets a new number; a field more is no such change."""

_Fields = TypeVar("_Fields")


class VersionFields(TypedDict):
    """What wrote the journal."""

    wandb_swan: str
    wandb: str
    python: str


class RunFields(TypedDict):
    """The wandb run: where its files are, and what only its settings say."""

    id: str | None
    mode: str
    shared: bool
    """Whether several processes write to the run."""
    primary: bool
    dir: str
    files: str
    log: str
    """wandb's own transaction log."""
    log_written: bool
    url: str | None
    fork_from: str | None
    resume_from: str | None
    joined_at: int | None
    """wandb's step at which a run that had begun before was tapped; None: from its start."""


class IdentityFields(TypedDict):
    """A process, so that any other can tell whether it still lives (`life.identity`)."""

    pid: int
    started: int | None
    """Clock ticks after the boot; None: no /proc."""
    boot: str
    namespace: str
    host: str
    time: float
    """Seconds since the epoch at which this was noted."""


class TrainerFields(IdentityFields):
    """The training process."""

    argv: list[str]
    executable: str
    cwd: str


class SettingsFields(TypedDict):
    """The switches of the run (`settings.SwanSettings`)."""

    enabled: bool
    mode: str | None
    wandb_run: bool
    workspace: str | None
    project: str | None
    log_dir: str
    journal_dir: str | None
    finish_timeout: float
    keep_journal: bool
    keep_wandb: bool
    plotly_inline: bool
    keep_original: bool


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


class EndFields(TypedDict):
    """The last note of a journal: the training process writes no more."""

    type: Literal["end"]
    exit_code: int | None
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
    first_differences: list[str]
    log_read_to_its_end: bool


class PartFields(TypedDict, total=False):
    """The steps of one part of a run (`swan.parts.Part`)."""

    steps_before: int
    rows_before: int | None
    step_offset: int | None
    first_step: int | None
    last_step: int
    last_row: int


class StatusFields(TypedDict, total=False):
    """The status file of a mirror; `models.MirrorStatus` says what each field means."""

    state: str | None
    pid: int | None
    updated: float | None
    mode: str
    no_credentials: bool
    run_id: str | None
    project: str | None
    run_dir: str | None
    url: str | None
    superseded: list[str]
    sent_at: float
    lines_before: int | None
    part: PartFields | None
    refused: dict[str, int]
    counts: dict[str, int]
    not_mirrored: list[LossFields]
    capabilities: dict[str, str]
    self_check: SelfCheckFields | None
    unreadable: int
    unknown_records: dict[str, int]
    offset: int | None
    unsent: int
    reason: str | None
    obstacle: str | None
    result: str | None
    torn: str | None
    only_copy: str | None
    wandb_folder: str | None
    size: int | None


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


@cache
def _kinds(form: type) -> dict[str, Any]:
    return get_type_hints(form)


def _of_kind(kind: Any, value: Any) -> Any:
    """A JSON value of a kind. Raises TypeError if it is of another."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is UnionType:  # always with None
        return None if value is None else _of_kind(arguments[0], value)
    if is_typeddict(kind):
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
    elif type(value) is kind and kind is not NoneType:  # True is no number
        return value
    raise TypeError

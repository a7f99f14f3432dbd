"""A journal's notes and its status file as models: checked where they are read, trusted from there on.

For whoever reads journals. The training process never imports this module: what it writes and reads are plain dicts
with the same fields, see `fields`.

A value of a wrong type costs its field, which then has its default: a note that somebody has edited, a half of a note
of a later version, must not cost the run. An unknown format does, because nothing in the journal may mean what it seems
to mean.
"""

from __future__ import annotations

import hashlib
import reprlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from ..defaults import FINISH_TIMEOUT, LOG_DIR, RecordingMode
from ..exceptions import UnknownFormatError
from .fields import FORMAT
from .status import status_json, write_status


def _valid_unicode(value: object) -> object:
    """Text without the lone surrogates that JSON can hold and UTF-8 cannot."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _no_nul(path: str) -> str:
    if "\0" in path:
        raise ValueError("no path has a NUL in it")
    return path


Text = Annotated[str, BeforeValidator(_valid_unicode)]
PathText = Annotated[Text, AfterValidator(_no_nul)]

_Self = TypeVar("_Self", bound="Fields")


class _Reading:
    """One reading of something that others may have written: where it is, and what could not be used."""

    def __init__(self) -> None:
        self.path: list[str] = []
        self.complaints: list[str] = []


class Fields(BaseModel):
    """What is written as a JSON object, and read again by another process, perhaps of another version."""

    model_config = ConfigDict(strict=True, extra="ignore")

    @classmethod
    def read(cls: type[_Self], found: object) -> tuple[_Self, list[str]]:
        """What a JSON value says, each field that cannot be used at its default; and one sentence for each of these."""
        reading = _Reading()
        if not isinstance(found, dict):
            return cls(), [f"{reprlib.repr(found)} is no object"]
        return cls.model_validate(found, context=reading), reading.complaints

    whole: ClassVar[bool] = False
    """Whether a field that is wrong costs all of them: they mean something together only."""

    @field_validator("*", mode="wrap")
    @classmethod
    def _default_if_wrong(cls, value: Any, check: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        reading, name = info.context, info.field_name
        if not isinstance(reading, _Reading) or name is None or cls.whole:
            return check(value)
        reading.path.append(name)
        try:
            return check(value)
        except ValidationError as error:
            where = ".".join(reading.path)
            why = error.errors(include_url=False, include_context=False, include_input=False)[0]["msg"]
            reading.complaints.append(f"{where} is {reprlib.repr(value)}, which cannot be used ({why})")
            return cls.model_fields[name].get_default(call_default_factory=True)
        finally:
            reading.path.pop()


# -- notes -------------------------------------------------------------------------------------------------------------


class Note(Fields):
    """A note, or a part of one."""

    model_config = ConfigDict(frozen=True)


class VersionsNote(Note):
    """What wrote the journal; None: it does not say."""

    wandb_swan: Text | None = None
    wandb: Text | None = None
    python: Text | None = None
    core: Text | None = None


class RunNote(Note):
    """The wandb run: where its files are, and what only its settings say."""

    id: Text | None = None
    mode: Text | None = None
    shared: bool = False
    """Whether several processes write to the run."""
    primary: bool = True
    dir: PathText | None = None
    files: PathText | None = None
    log: PathText | None = None
    """wandb's own transaction log."""
    journals: PathText | None = None
    """The journal's own folder, as the training had it; None: an older version's."""
    log_written: bool = False
    url: Text | None = None
    fork_from: Text | None = None
    resume_from: Text | None = None
    joined_at: int | None = None
    """wandb's step at which a run that had begun before was tapped; None: from its start."""


class TrainerNote(Note):
    """The training process: how it is found again (`life.identity`), and how it was started."""

    pid: int | None = None
    started: int | None = None
    boot: Text = ""
    namespace: Text = ""
    host: Text = ""
    time: float | None = None
    argv: list[Text] = Field(default_factory=list)
    executable: PathText | None = None
    cwd: PathText | None = None


class SettingsNote(Note):
    """The switches of the run, as `switches.Switches` says what they mean."""

    enabled: bool = True
    mode: RecordingMode | None = None
    wandb_run: bool = True
    workspace: Text | None = None
    project: Text | None = None
    log_dir: Annotated[PathText, Field(min_length=1)] = LOG_DIR
    journal_dir: PathText | None = None
    finish_timeout: Annotated[float, Field(ge=0)] = FINISH_TIMEOUT
    keep_journal: bool = False
    keep_wandb: bool = True
    plotly_inline: bool = False
    keep_original: bool = False
    python: PathText | None = None
    mirror: Text = "auto"


class BeginNote(Note):
    """The first note of a journal: all that a mirror needs to know besides the records."""

    type: Literal["begin"] = "begin"
    format: int = FORMAT
    versions: VersionsNote = VersionsNote()
    run: RunNote = RunNote()
    trainer: TrainerNote = TrainerNote()
    settings: SettingsNote = SettingsNote()
    _found: object = PrivateAttr(None)

    @classmethod
    def read(cls, found: object) -> tuple[BeginNote, list[str]]:
        """As every reading; a note without a format has the first one.

        Raises:
            UnknownFormatError: the journal is of a format that this version does not know.
        """
        written = found.get("format", FORMAT) if isinstance(found, dict) else FORMAT
        note, complaints = super().read(found)
        if type(written) is not int or written != FORMAT:
            raise UnknownFormatError(
                f"the journal has format {reprlib.repr(written)}, written by wandb_swan "
                f"{note.versions.wandb_swan or '(unknown)'}; this is {_own_version()}, which reads format {FORMAT}: "
                f"type `pip install -U wandb-swan`"
            )
        note._found = found
        return note, complaints

    @property
    def fingerprint(self) -> str:
        """Tells this journal's note from any other one, that of a journal of the same name in another folder too."""
        return hashlib.sha256(repr(self._found).encode()).hexdigest()[:8]


class CauseNote(Note):
    """The exception that ended the run."""

    type: Literal["exit"] = "exit"
    exception: Text = ""
    """The name of its class."""
    traceback: Text = ""


class EndNote(Note):
    """The last note of a journal: the training process writes no more."""

    type: Literal["end"] = "end"
    exit_code: int | None = None
    """Given where wandb's core ends the run by itself, so that no exit record passes the tap."""


def _own_version() -> str:
    try:
        return version("wandb-swan")
    except PackageNotFoundError:  # a frozen application may have no metadata
        return "another version"


# -- the status file ---------------------------------------------------------------------------------------------------


class Loss(Fields):
    """Values of one key that SwanLab has no place for, or refused, for one reason."""

    key: Text = ""
    reason: Text = ""
    count: int = 0


class SelfCheck(Fields):
    """What holding the replay against wandb's own log has shown."""

    rows_compared: int = 0
    rows_added_from_log: int = 0
    differences: int = 0
    """Values that SwanLab has otherwise than wandb's log."""
    first_differences: list[Text] = Field(default_factory=list)
    log_read_to_its_end: bool = False


class PartSteps(Fields):
    """The steps of one part of a run: each time wandb records under one run id, a journal and a part in SwanLab."""

    whole = True

    steps_before: int = -1
    """The last step in SwanLab that an earlier part has; -1 if there is none."""
    rows_before: int | None = None
    """The same without alerts, which may run ahead of the rows; None: count them."""
    step_offset: int | None = None
    """What is added to wandb's steps to get SwanLab's; None until the first row is there."""
    first_step: int | None = None
    """wandb's step of the first row."""
    last_step: int = -1
    """SwanLab's last step so far, of a row or an alert; -1 if there is none."""
    last_row: int = -1
    """SwanLab's step of the last row so far; -1 if there is none."""


class MirrorStatus(Fields):
    """What a mirror says of its journal, in the file beside it. It outlives the journal."""

    model_config = ConfigDict(allow_inf_nan=False)

    state: Text | None = None  # first: `status.unfinished` looks for it at the file's beginning
    """starting, waiting, running, finishing, finished, failed, or empty: the journal holds no run."""
    pid: int | None = None
    """The mirror's process."""
    updated: float | None = None
    """When this was written, seconds since the epoch."""
    mode: Text = ""
    """Where SwanLab records: online, local, offline; "" until that is known."""
    no_credentials: bool = False
    """Whether it is offline for want of SwanLab credentials."""
    run_id: Text | None = None
    """wandb's id of the run."""
    project: Text | None = None
    """wandb's project."""
    run_dir: PathText | None = None
    """SwanLab's folder of the run."""
    url: Text | None = None
    """The experiment in SwanLab's cloud."""
    superseded: list[PathText] = Field(default_factory=list)
    """SwanLab folders of earlier tries, removed once a whole one is there."""
    sent_at: float = 0.0
    """When SwanLab's server took something last, or may have, seconds since the epoch; 0.0: never."""
    lines_before: int | None = None
    """Console lines that the experiment had before this journal."""
    part: PartSteps | None = None
    refused: dict[Text, int] = Field(default_factory=dict)
    """Reason -> values that SwanLab's server refused."""
    counts: dict[Text, int] = Field(default_factory=dict)
    """What was written: rows, scalars, texts, lines."""
    not_mirrored: list[Loss] = Field(default_factory=list)
    capabilities: dict[Text, Text] = Field(default_factory=dict)
    """What the installed SwanLab lets the mirror do: name -> `ok`, or what is so without it."""
    self_check: SelfCheck | None = None
    unreadable: int = 0
    """Records or values that could not be decoded."""
    unknown_records: dict[Text, int] = Field(default_factory=dict)
    """Kind -> records of a kind that nobody knows."""
    offset: int | None = None
    """How far the journal was read, in bytes."""
    unsent: int = 0
    """Records that SwanLab's server has not taken yet."""
    reason: Text | None = None
    """Why the run is not whole, or does not go on at the moment."""
    obstacle: Text | None = None
    """What keeps SwanLab from recording and the user can put right at once."""
    result: Text | None = None
    """The SwanLab run's state: success, crashed, aborted."""
    torn: Text | None = None
    """What is incomplete at the end of the journal."""
    only_copy: Text | None = None
    """What the journal alone holds, for which it stays."""
    elsewhere: PathText | None = None
    """The folder of the run's files, where it was not found from the mirror's machine and something was read of it."""
    wandb_folder: Text | None = None
    """What has become of W&B's own folder of the run, where it should be removed."""
    size: int | None = None
    """Bytes of the journal when the run was finished: one that has grown since is not."""

    @classmethod
    def of(cls, journal: Path) -> MirrorStatus:
        """The status of a journal; what cannot be read or used counts as not said."""
        return cls.read(status_json(journal))[0]

    def write(self, journal: Path) -> bool:
        """Replaces the status file at one stroke. Returns whether it could be written."""
        return write_status(journal, self.model_dump(mode="json"))

"""Every switch, its environment variable and its default."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from .defaults import FINISH_TIMEOUT, LOG_DIR, MODES_ALLOWED, Mode, plain_mode
from .exceptions import WandbSwanError


def _mode(value: object) -> object:
    return plain_mode(str(value).strip().lower())


def _switch(env: str, *others: str) -> Any:
    return Field(default=None, validation_alias=AliasChoices(env, *others))


class SwanSettings(BaseSettings):
    """The switches of one run. `None` means: as SwanLab's own settings say, else as the comment says.

    Source of a value, later ones win: default, `SWANLAB_*` (where named here), `WANDB_SWAN_*`, `sync_wandb()`,
    `wandb_swan.init()`.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, populate_by_name=True)

    enabled: bool = Field(default=True, validation_alias="WANDB_SWAN")
    """`0`: pure passthrough to wandb."""

    mode: Annotated[Mode, BeforeValidator(_mode)] | None = _switch("WANDB_SWAN_MODE", "SWANLAB_MODE")
    """Where SwanLab records. None: online where SwanLab credentials exist, else offline."""

    wandb_run: bool = Field(default=True, validation_alias="WANDB_SWAN_WANDB_RUN")
    """False: nothing is uploaded to W&B, the real wandb run is made with `mode="offline"`."""

    workspace: str | None = _switch("WANDB_SWAN_WORKSPACE")
    """SwanLab workspace."""

    project: str | None = _switch("WANDB_SWAN_PROJECT")
    """SwanLab project. None: the wandb project."""

    log_dir: Path = Field(default=Path(LOG_DIR), validation_alias=AliasChoices("WANDB_SWAN_LOG_DIR", "SWANLAB_LOG_DIR"))
    """SwanLab's log directory, in the folder that the program was started in. A live run's default is in WANDB_DIR if
    that is given; `init(dir=)` is wandb's alone."""

    journal_dir: Path | None = _switch("WANDB_SWAN_JOURNAL_DIR")
    """None: `<log_dir>/journals`."""

    finish_timeout: float = Field(default=FINISH_TIMEOUT, ge=0, validation_alias="WANDB_SWAN_FINISH_TIMEOUT")
    """Seconds that `finish()` waits for the mirror; then it goes on alone."""

    keep_journal: bool = Field(default=False, validation_alias="WANDB_SWAN_KEEP_JOURNAL")
    """True: the journal stays after its SwanLab run is finished."""

    keep_wandb: bool = Field(default=True, validation_alias="WANDB_SWAN_KEEP_WANDB")
    """False, with `wandb_run` false: W&B's own folder of a run is removed once SwanLab has all of it."""

    plotly_inline: bool = Field(default=False, validation_alias="WANDB_SWAN_PLOTLY_INLINE")
    """True: pages of plotly figures hold plotly.js, about 5 MB each, for networks that do not reach its CDN."""

    keep_original: bool = Field(default=False, validation_alias="WANDB_SWAN_KEEP_ORIGINAL")
    """True: an image with boxes or masks is also kept without them, under `<key>/original`."""

    @property
    def journals(self) -> Path:
        """The folder of the journals."""
        return self.journal_dir or self.log_dir / "journals"


PREFIX = "WANDB_SWAN"
_OTHERS = frozenset({"WANDB_SWAN_RETRY_PAUSE"})
"""Variables that are no switch of a run: seconds between two tries of a conversion's downloads."""

_ALLOWED = {
    "enabled": "0 or 1",
    "mode": MODES_ALLOWED,
    "wandb_run": "true or false",
    "keep_journal": "true or false",
    "keep_wandb": "true or false",
    "finish_timeout": "a number of seconds, 0 or more",
    "plotly_inline": "true or false",
    "keep_original": "true or false",
}


def read_settings(**given: Any) -> SwanSettings:
    """The settings from the environment, with what the code gave (`None` is not given) on top.

    Raises:
        WandbSwanError: a value is not allowed; the text names the variable or argument, the value and what is allowed.
    """
    given = {name: value for name, value in given.items() if value is not None}
    try:
        return SwanSettings(**given)
    except ValidationError as error:
        raise WandbSwanError("; ".join(_complaint(dict(item), given) for item in error.errors())) from None


def unknown_variables(environment: Mapping[str, str] = os.environ) -> list[str]:
    """One sentence for each variable that looks like a switch and is none."""
    known = {name for info in SwanSettings.model_fields.values() for name in _env_names(info)}
    known = {name for name in known if name.startswith(PREFIX)} | _OTHERS
    found = []
    for variable in sorted(environment):
        name = variable.upper()  # in which case a variable is written does not matter
        if name in known or not name.startswith("W"):
            continue
        ours = name.startswith(PREFIX)
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.9)
        if ours and not near:  # by what is not the same in all
            rest = {other.removeprefix(PREFIX): other for other in known}
            near = [rest[end] for end in difflib.get_close_matches(name.removeprefix(PREFIX), rest, n=1, cutoff=0.65)]
        if near:
            found.append(f"{variable} is no switch; did you mean {near[0]}?")
        elif ours:
            found.append(f"{variable} is no switch; `wandb-swan run --help` and the README list them")
    return found


def _complaint(item: dict[str, Any], given: dict[str, Any]) -> str:
    at = str(item["loc"][0])
    field = next((name for name, info in SwanSettings.model_fields.items() if at == name or at in _env_names(info)), at)
    where = f"{field}=" if field in given else f"{_set_variable(field)}="
    return f"{where}{item['input']!r} is not allowed; use {_ALLOWED.get(field, item['msg'])}"


def _env_names(info: Any) -> list[str]:
    alias = info.validation_alias
    return [str(name) for name in alias.choices] if isinstance(alias, AliasChoices) else [str(alias)]


def _set_variable(field: str) -> str:
    names = _env_names(SwanSettings.model_fields[field]) if field in SwanSettings.model_fields else [field]
    return next((name for name in names if os.environ.get(name)), names[0])

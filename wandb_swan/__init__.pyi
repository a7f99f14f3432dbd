# What type checkers see: wandb's own types, wandb's `init` with our arguments, `sync_wandb`.
from collections.abc import Sequence
from typing import Any, Literal

from wandb import Api as Api
from wandb import Artifact as Artifact
from wandb import ArtifactTTL as ArtifactTTL
from wandb import Audio as Audio
from wandb import Error as Error
from wandb import EvalTable as EvalTable
from wandb import Graph as Graph
from wandb import Histogram as Histogram
from wandb import Html as Html
from wandb import Image as Image
from wandb import Molecule as Molecule
from wandb import Object3D as Object3D
from wandb import Plotly as Plotly
from wandb import Run as Run
from wandb import Settings as Settings
from wandb import Table as Table
from wandb import Video as Video
from wandb import __version__ as __version__
from wandb import agent as agent
from wandb import api as api
from wandb import apis as apis
from wandb import box3d as box3d
from wandb import config as config
from wandb import controller as controller
from wandb import data_types as data_types
from wandb import define_metric as define_metric
from wandb import ensure_configured as ensure_configured
from wandb import errors as errors
from wandb import finish as finish
from wandb import link_model as link_model
from wandb import log as log
from wandb import log_artifact as log_artifact
from wandb import log_model as log_model
from wandb import login as login
from wandb import patched as patched
from wandb import plot as plot
from wandb import plot_table as plot_table
from wandb import require as require
from wandb import restore as restore
from wandb import run as run
from wandb import save as save
from wandb import sdk as sdk
from wandb import setup as setup
from wandb import summary as summary
from wandb import sweep as sweep
from wandb import teardown as teardown
from wandb import termerror as termerror
from wandb import termlog as termlog
from wandb import termsetup as termsetup
from wandb import termwarn as termwarn
from wandb import unwatch as unwatch
from wandb import use_artifact as use_artifact
from wandb import use_model as use_model
from wandb import util as util
from wandb import watch as watch
from wandb.sdk.lib.paths import StrPath

from .defaults import GivenMode as _GivenMode

__swan_version__: str

def init(
    entity: str | None = None,
    project: str | None = None,
    dir: StrPath | None = None,
    id: str | None = None,
    name: str | None = None,
    notes: str | None = None,
    tags: Sequence[str] | None = None,
    config: dict[str, Any] | str | None = None,
    config_exclude_keys: list[str] | None = None,
    config_include_keys: list[str] | None = None,
    allow_val_change: bool | None = None,
    group: str | None = None,
    job_type: str | None = None,
    mode: Literal["online", "offline", "disabled", "shared"] | None = None,
    force: bool | None = None,
    reinit: bool | Literal["default", "return_previous", "finish_previous", "create_new"] | None = None,
    resume: bool | Literal["allow", "never", "must", "auto"] | None = None,
    resume_from: str | None = None,
    fork_from: str | None = None,
    save_code: bool | None = None,
    tensorboard: bool | None = None,
    sync_tensorboard: bool | None = None,
    monitor_gym: bool | None = None,
    settings: Settings | dict[str, Any] | None = None,
    anonymous: Any = ...,
    *,
    wandb_run: bool | None = None,
    swanlab_mode: _GivenMode | None = None,
    swanlab_project: str | None = None,
    swanlab_workspace: str | None = None,
    swanlab_log_dir: str | None = None,
    swanlab_python: str | None = None,
    keep_wandb: bool | None = None,
) -> Run: ...
def sync_wandb(
    mode: _GivenMode | None = None,
    wandb_run: bool | None = None,
    workspace: str | None = None,
    log_dir: str | None = None,
    *,
    python: str | None = None,
) -> None: ...

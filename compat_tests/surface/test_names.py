"""`wandb_swan` is wandb in every way a program cannotice: the installed wandb, compared by machine."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import pkgutil
import pydoc
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import pytest
import wandb

import wandb_swan
from compat_tests.conftest import Record

WRAPPED = {"init": "wandb's, with SwanLab's switches"}
OF_THE_MODULE = {
    *("__name__", "__doc__", "__file__", "__path__", "__package__", "__spec__", "__loader__", "__cached__"),
    *("__annotations__", "__getattr__"),
}
OURS = {"__swan_version__", "sync_wandb"}


def names() -> list[str]:
    return sorted({*dir(wandb), *wandb.__all__, "__all__"} - OF_THE_MODULE)


def test_every_name_is_the_same_object() -> None:
    assert len(names()) > 80
    assert {name for name in names() if getattr(wandb_swan, name) is not getattr(wandb, name)} == set(WRAPPED)


def test_names_of_our_own() -> None:
    public = {name for name in vars(wandb_swan) if not name.startswith("_")} - {"annotations"}
    modules = {name for name in public if isinstance(vars(wandb_swan)[name], ModuleType)}
    assert public - modules == OURS - {"__swan_version__"}
    assert not any(hasattr(wandb, name) for name in OURS)
    private = {name for name in vars(wandb_swan) if name.startswith("_") and not name.startswith("__")}
    assert not any(hasattr(wandb, name) for name in private)
    assert wandb_swan.__version__ == wandb.__version__
    assert wandb_swan.__swan_version__[0].isdigit()


def test_no_submodule_of_ours_shadows_a_name_of_wandb() -> None:
    ours = {module.name for module in pkgutil.iter_modules(wandb_swan.__path__)} - {"__main__"}
    theirs = {module.name for module in pkgutil.iter_modules(wandb.__path__)} | set(dir(wandb)) | set(wandb.__all__)
    assert {"capture", "stream", "swan", "mirror", "settings"} <= ours
    assert not ours & theirs


def test_a_submodule_of_ours_leaves_wandb_alone() -> None:
    before = set(dir(wandb))
    for module in pkgutil.walk_packages(wandb_swan.__path__, "wandb_swan."):
        if not module.name.endswith("__main__"):
            assert importlib.import_module(module.name).__name__ == module.name
    assert wandb_swan.run is wandb.run
    assert set(dir(wandb)) == before


def test_signatures() -> None:
    for name in names():
        theirs = getattr(wandb, name)
        if not callable(theirs) or name in WRAPPED:
            continue
        try:
            expected = inspect.signature(theirs)
        except (TypeError, ValueError):
            continue
        assert inspect.signature(getattr(wandb_swan, name)) == expected


def test_signature_of_init() -> None:
    theirs = list(inspect.signature(wandb.init).parameters.values())
    ours = list(inspect.signature(wandb_swan.init).parameters.values())
    assert ours[: len(theirs)] == theirs
    added = ours[len(theirs) :]
    assert {parameter.name for parameter in added} == {
        "wandb_run",
        "swanlab_mode",
        "swanlab_project",
        "swanlab_workspace",
        "swanlab_log_dir",
        "swanlab_python",
        "keep_wandb",
    }
    assert all(parameter.kind is parameter.KEYWORD_ONLY and parameter.default is None for parameter in added)
    documented = inspect.getdoc(wandb_swan.init) or ""
    assert (inspect.getdoc(wandb.init) or "") in documented
    assert all(f"{parameter.name}:" in documented for parameter in added)


def test_dir_help_and_star() -> None:
    assert set(dir(wandb)) <= set(dir(wandb_swan))
    page = pydoc.render_doc(wandb_swan, renderer=pydoc.plaintext)
    assert "sync_wandb" in page or "class Run" in page
    theirs: dict[str, Any] = {}
    ours: dict[str, Any] = {}
    exec("from wandb import *", theirs)
    exec("from wandb_swan import *", ours)
    assert ours.keys() == theirs.keys()
    assert [name for name in theirs if name != "__builtins__" and ours[name] is not theirs[name]] == ["init"]


def test_a_missing_name() -> None:
    with pytest.raises(AttributeError, match="module 'wandb_swan' has no attribute 'nonsense'"):
        _ = wandb_swan.nonsense
    assert getattr(wandb_swan, "nonsense", 3) == 3
    for name in ("nonsense", "sdk.nonsense", "util.nonsense", "nonsense.x", "keras", "swan.nonsense"):
        with pytest.raises(ModuleNotFoundError) as caught:
            importlib.import_module(f"wandb_swan.{name}")
        assert caught.value.name == f"wandb_swan.{'nonsense' if name == 'nonsense.x' else name}"


def test_a_name_that_is_set_or_deleted() -> None:
    wandb_swan.run = sentinel = object()
    try:
        assert wandb.run is sentinel
    finally:
        wandb_swan.run = None
    assert wandb.run is None
    wandb_swan.of_the_user = 1
    assert wandb.of_the_user == 1
    del wandb_swan.of_the_user
    assert not hasattr(wandb, "of_the_user")


@pytest.mark.parametrize("name", ["log", "init", "Api", "run", "Image", "finish", "__version__"])
@pytest.mark.parametrize("module", ["wandb", "wandb_swan"])
def test_mock_patch(module: str, name: str) -> None:
    theirs, ours, defined = getattr(wandb, name), getattr(wandb_swan, name), name in vars(wandb)
    with mock.patch(f"{module}.{name}") as patched:
        assert getattr(wandb, name) is patched
        assert getattr(wandb_swan, name) is patched
        if callable(theirs):
            getattr(wandb_swan, name)("x")
            patched.assert_called_once_with("x")
    assert getattr(wandb, name) is theirs
    assert getattr(wandb_swan, name) is ours
    assert defined or module == "wandb_swan" or name not in vars(wandb)


def test_init_that_somebody_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    real = mock.Mock(return_value="a run")
    monkeypatch.setattr(wandb_swan._init, "__wrapped__", real)
    monkeypatch.setattr(wandb, "init", real)
    original = wandb_swan.init
    monkeypatch.setattr(wandb_swan, "init", lambda **given: original(**given, tags=["wrapped"]))
    assert wandb.init is wandb_swan.init
    assert wandb.init(project="p") == "a run"
    real.assert_called_once_with(project="p", tags=["wrapped"])


def test_pickle_copy_isinstance() -> None:
    for name in ("Table", "Run", "Settings", "Artifact", "Error", "Html", "init"):
        assert pickle.loads(pickle.dumps(getattr(wandb_swan, name))) is getattr(wandb_swan, name)
    settings = wandb_swan.Settings(project="p")
    assert isinstance(settings, wandb.Settings)
    assert copy.deepcopy(settings).project == copy.copy(settings).project == "p"
    assert copy.copy(wandb_swan.Error("x")).args == wandb.Error("x").args
    assert isinstance(wandb_swan, ModuleType)
    assert inspect.ismodule(wandb_swan)
    assert wandb_swan.__spec__ is not None
    assert wandb_swan.__spec__.name == wandb_swan.__name__ == "wandb_swan"
    with pytest.raises(wandb.Error, match=r"call wandb.init\(\) before wandb.log"):
        wandb_swan.log({"a": 1})


def test_a_function_that_uses_us_reaches_a_worker(tmp_path: Path) -> None:
    """cloudpickle, as joblib, Dask and Ray use it: plain pickle refuses every module."""
    pytest.importorskip("cloudpickle")
    script = """
import cloudpickle, pickle, wandb_swan as wandb
work = lambda: (wandb.Table, wandb.init)
assert pickle.loads(cloudpickle.dumps(work))() == (wandb.Table, wandb.init)
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path, timeout=60)


def test_reload() -> None:
    init = wandb_swan.init
    assert importlib.reload(wandb_swan) is wandb_swan
    assert wandb_swan.init is not init
    assert wandb_swan.init.__wrapped__ is wandb.init
    assert wandb_swan.Table is wandb.Table
    assert sum(type(finder).__name__ == "SubmoduleFinder" for finder in sys.meta_path) == 1
    assert importlib.reload(wandb_swan.sdk.data_types) is wandb.sdk.data_types


SUBMODULES = """
import contextlib, importlib, io, pkgutil, sys, warnings
import wandb, wandb_swan
warnings.simplefilter("ignore")
first, second = sys.argv[1:]

def attempt(name):
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return importlib.import_module(name)
    except BaseException as error:
        return type(error)

def names(path, prefix=""):
    for module in pkgutil.iter_modules(path):
        if module.name in ("__main__", "vendor", "generated", "_generated"):
            continue  # thousands of generated or vendored files
        yield prefix + module.name
        if module.ispkg:
            found = sys.modules.get(f"wandb.{prefix}{module.name}")
            if found is not None:
                yield from names(found.__path__, f"{prefix}{module.name}.")

count = 0
for name in names(wandb.__path__):
    one, two = attempt(f"{first}.{name}"), attempt(f"{second}.{name}")
    assert one is two, (name, one, two)
    if not isinstance(one, type):
        count += 1
        assert one.__name__ == one.__spec__.name == "wandb." + name, (name, one, one.__spec__)
        assert sys.modules["wandb." + name] is sys.modules["wandb_swan." + name]
print(count)
"""


@pytest.mark.parametrize("order", [("wandb", "wandb_swan"), ("wandb_swan", "wandb")])
def test_every_submodule_is_the_same_module(order: tuple[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SUBMODULES, *order], capture_output=True, text=True, timeout=120, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 150


def test_forms_of_import(tmp_path: Path) -> None:
    script = """
import wandb_swan.sdk.data_types
import wandb_swan.apis.public as public
from wandb_swan.integration.sagemaker import parse_sm_config
from wandb_swan.errors import CommError
from wandb_swan import plot, errors, trigger
import wandb
import wandb.sdk.data_types, wandb.integration.sagemaker
assert wandb_swan.sdk.data_types is wandb.sdk.data_types
assert public is wandb.apis.public and plot is wandb.plot and errors is wandb.errors and trigger is wandb.trigger
assert parse_sm_config is wandb.integration.sagemaker.parse_sm_config and CommError is wandb.errors.CommError
import importlib.util
assert importlib.util.find_spec("wandb_swan.sdk.nonsense") is None
assert importlib.util.find_spec("wandb_swan.nonsense") is None
assert importlib.util.find_spec("wandb_swan.mirror.process").origin.endswith("process.py")
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path, timeout=60)


def test_live_names(record: Record) -> None:
    """In the hands of a script: before, during and after a run."""
    result = record(
        """
import wandb, wandb_swan
LIVE = ["run", "config", "summary", "log", "save", "watch", "define_metric", "alert", "use_artifact", "log_artifact"]
def same():
    return [getattr(wandb_swan, name) is getattr(wandb, name) for name in LIVE] == [True] * len(LIVE)
assert same() and wandb_swan.run is None
run = wandb_swan.init(project="names", config={"lr": 0.1})
assert same() and wandb_swan.run is wandb.run is run and isinstance(run, wandb_swan.Run) and type(run) is wandb.Run
import wandb_swan.mirror.process
assert wandb_swan.run is run
wandb_swan.config.epochs = 3
wandb_swan.summary["best"] = 1
wandb_swan.log({"a": 1})
wandb_swan.finish()
assert same() and wandb_swan.run is None
"""
    )
    wandb_store, swan = result.pair()
    assert wandb_store.rows == {0: {"a": 1}}
    assert swan.scalars == {"a": {0: 1.0}}
    assert swan.config["lr"] == 0.1
    assert swan.config["epochs"] == 3

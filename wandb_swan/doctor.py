"""Whether this machine can mirror: what `wandb-swan doctor` looks at."""

from __future__ import annotations

import contextlib
import io
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, NamedTuple

from .exceptions import WandbSwanError
from .versions import NEWEST_TESTED, below_declared, installed, newer_than_tested

SELF_TEST_TIMEOUT = 120.0
"""Seconds after which the self-test counts as failed; it takes two, more where the first import reads a slow disk."""

_SELF_TEST = """
import wandb_swan as wandb
run = wandb.init(project="doctor", settings=wandb.Settings(console="off"))
run.log({"a": 1.5})
run.finish()
"""
_ACTIVE = "import sys; print('_wandb_swan_autoload' in sys.modules)"
_LOOK = """
import json, platform
said = {"python": platform.python_version()}
try:
    import wandb_swan
    from wandb_swan import capture
    from wandb_swan.capture import interpreter
    from wandb_swan.versions import installed
    said.update({name: installed(name) for name in ("wandb-swan", "wandb", "protobuf")})
    said.update(tapped=capture.installed() or capture.install(), obstacle=interpreter.obstacle())
except Exception as error:
    said["error"] = "%s: %s" % (type(error).__name__, error)
print("\\n" + json.dumps(said))
"""
"""What is asked of another environment, which needs nothing of ours."""


class Finding(NamedTuple):
    """What was found of one thing."""

    verdict: Literal["ok", "limited", "wrong"]
    """limited: it works, and something is lost."""
    subject: str
    detail: str


def findings(trainer: Path | None = None) -> Iterator[Finding]:
    """Looks at one thing after the other; nothing is uploaded.

    `trainer` is the Python of a training in another environment, whose mirrors run in this one.
    """
    other = None if trainer is None else _Trainer(str(trainer))
    here: dict[str, Callable[[], Iterator[Finding]]] = {"tap": _tap, "activation": _activation}
    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        "versions": _versions,
        **(here if other is None else {"training environment": other.look, "activation": other.activation}),
        "settings": _settings,
        "W&B credentials": _wandb_credentials,
        "SwanLab credentials": _swanlab_credentials,
        "folder": _folder,
        "journals": _journals,
        "self-test": _self_test if other is None else other.self_test,
    }
    for name, check in checks.items():
        try:
            yield from check()
        except Exception as error:
            yield Finding("wrong", name, f"{type(error).__name__}: {error}")


def _finding(good: bool, subject: str, detail: str) -> Finding:
    return Finding("ok" if good else "wrong", subject, detail)


def _versions() -> Iterator[Finding]:
    found, missing = [f"python {platform.python_version()}"], False
    for name in ("wandb-swan", "wandb", "swanlab", "pydantic", "protobuf"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} is not installed")
            missing = True
    yield _finding(not missing, "versions", ", ".join(found))
    low = below_declared()
    if low:
        yield Finding("wrong", "versions", f"{', '.join(low)}, the lowest that works: type `pip install -U wandb-swan`")
    for name, newest in NEWEST_TESTED.items():
        if newer_than_tested(name, installed(name)):
            tested = ".".join(map(str, newest))
            yield Finding(
                "limited", "versions", f"{name} {installed(name)} is newer than the newest one tested ({tested})"
            )


def _tap() -> Iterator[Finding]:
    from . import capture

    if not capture.installed():
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            fits = capture.install()
        if not fits:
            yield Finding("wrong", "tap", said.getvalue().strip())
            return
        capture.uninstall()
    yield Finding("ok", "tap", "fits this wandb")


def _activation() -> Iterator[Finding]:
    """Whether a program that nobody edited is mirrored under `WANDB_SWAN=1`: Python has to read our `.pth` file."""
    from .capture.interpreter import this_python

    ask = [this_python(), "-c", _ACTIVE]
    environment = os.environ | {"WANDB_SWAN": "1"}
    done = subprocess.run(ask, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    if done.stdout.strip() == "True":
        yield Finding("ok", "activation", "WANDB_SWAN=1 is enough for this Python")
        return
    here = Path(__file__).absolute().parent.parent
    nothing = (
        f"WANDB_SWAN=1 alone does nothing: Python reads no .pth file in {here} (PYTHONPATH, `pip install --target`)"
    )
    yield Finding(
        "wrong", "activation", f"{nothing}; start with `{this_python()} -m wandb_swan run`, or `import wandb_swan`"
    )


def _settings() -> Iterator[Finding]:
    from .settings import read_settings
    from .swan.target import obstacle, resolve
    from .switches import unknown_variables

    try:
        settings = read_settings()
    except WandbSwanError as error:
        yield Finding("wrong", "settings", str(error))
        return
    on = f"mode {settings.mode or 'online with SwanLab credentials, else offline'}"
    yield Finding("ok", "settings", on if settings.enabled else "WANDB_SWAN switches mirroring off")
    for sentence in unknown_variables():
        yield Finding("wrong" if "did you mean" in sentence else "limited", "settings", sentence)
    why = obstacle(resolve(mode=settings.mode, project=None, workspace=None)[0]) if settings.enabled else None
    if why is not None:
        yield Finding("wrong", "SwanLab", why)


def _wandb_credentials() -> Iterator[Finding]:
    import wandb

    with contextlib.redirect_stderr(io.StringIO()):
        there = bool(os.environ.get("WANDB_API_KEY") or wandb.api.api_key)
    none = "none: wandb asks for them, or use WANDB_MODE=offline"
    yield Finding("ok", "W&B credentials", "found" if there else none)


def _swanlab_credentials() -> Iterator[Finding]:
    from .swan.target import logged_in

    none = "none: runs are recorded offline; `swanlab login` changes that"
    yield Finding("ok", "SwanLab credentials", "found" if logged_in() else none)


def _folder() -> Iterator[Finding]:
    from .settings import read_settings

    journals = read_settings().journals.expanduser().absolute()
    there = next(folder for folder in (journals, *journals.parents) if folder.exists())
    writable = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    refused = f"{journals} cannot be made: {there} is not a writable folder"
    yield _finding(writable, "folder", f"{journals}" if writable else refused)


def _journals() -> Iterator[Finding]:
    from .journal import spool
    from .journal.status import unfinished
    from .settings import read_settings

    folder = read_settings().journals.expanduser()
    for journal in spool.left(folder):
        spool.bring(journal)
    left = unfinished(folder)
    waiting = f"{left} not finished: type `wandb-swan resume`"
    yield _finding(not left, "journals", waiting if left else "none unfinished")


class _Trainer:
    """The environment of a training, looked at from that of its mirrors."""

    def __init__(self, python: str) -> None:
        self._python = python

    def look(self) -> Iterator[Finding]:
        """What it has, and whether its wandb can be tapped."""
        from .capture.interpreter import started_from_here

        done = self._ask(_LOOK, {**os.environ, **started_from_here(os.environ), "WANDB_SWAN": "0"})
        try:
            said = json.loads(done.stdout.splitlines()[-1])
        except (ValueError, IndexError):
            last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
            yield Finding("wrong", "training environment", f"{self._python} cannot be asked: {last}")
            return
        has = ", ".join(
            f"{name} {said[name]}" for name in ("python", "wandb-swan", "wandb", "protobuf") if name in said
        )
        if said.get("tapped"):
            yield Finding("ok", "training environment", has)
        else:
            why = said.get("error") or (done.stderr.strip().splitlines() or ["wandb cannot be tapped"])[-1]
            yield Finding("wrong", "training environment", f"{has}: {why}")
        obstacle = said.get("obstacle")
        where = f"from {sys.executable}: {obstacle} there" if obstacle else "from the training environment itself"
        yield Finding("ok", "its mirrors", where)

    def activation(self) -> Iterator[Finding]:
        """What switches the mirror on there."""
        done = self._ask(_ACTIVE, os.environ | {"WANDB_SWAN": "1"})
        if done.stdout.strip() == "True":
            yield Finding("ok", "activation", "WANDB_SWAN=1, `wandb-swan run`, or the import")
        else:
            yield Finding(
                "ok", "activation", "`wandb-swan run`; WANDB_SWAN=1 alone and the import are for installations"
            )

    def self_test(self) -> Iterator[Finding]:
        """One run there, its mirror here."""
        from .capture.interpreter import started_from_here

        environment = {**os.environ, **started_from_here(os.environ), "WANDB_SWAN_PYTHON": sys.executable}
        yield from _self_test(self._python, environment)

    def _ask(self, code: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._python, "-c", code],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SELF_TEST_TIMEOUT,
        )


def _self_test(python: str | None = None, given: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """One run of one point, in a process and a folder of its own, without an account; and what its mirror could do."""
    from .capture.interpreter import this_python
    from .defaults import LOG_DIR
    from .journal.status import read_status
    from .parity.stored import StoredRun

    with tempfile.TemporaryDirectory(prefix="wandb-swan-doctor-") as name:
        folder = Path(name)
        keep = {key: value for key, value in given.items() if not key.startswith(("WANDB", "SWANLAB"))}
        keep |= {key: given[key] for key in ("WANDB_SWAN_PYTHON",) if key in given}
        environment = keep | {"WANDB_MODE": "offline", "WANDB_SWAN_MODE": "offline", "WANDB_DIR": name}
        environment["WANDB_SWAN_KEEP_JOURNAL"] = "1"
        try:
            done = subprocess.run(
                [python or this_python(), "-c", _SELF_TEST],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=SELF_TEST_TIMEOUT,
            )
        except subprocess.TimeoutExpired:
            yield Finding("wrong", "self-test", f"no end after {SELF_TEST_TIMEOUT:.0f} s")
            return
        runs = sorted(path.parent for path in (folder / LOG_DIR).glob("run-*/run-*.swanlab"))
        journal = next((folder / LOG_DIR).glob("journals/*.journal"), None)
        able = (read_status(journal).get("capabilities") if journal is not None else None) or {}
        missing = {what: without for what, without in able.items() if without != "ok"}
        if able and not missing:
            yield Finding("ok", "SwanLab's inside", f"all {len(able)} capabilities: {', '.join(able)}")
        for what, without in missing.items():
            yield Finding("limited", f"no {what}", without)
        points = StoredRun(runs[0]).scalars.get("a") if len(runs) == 1 and "read-back" not in missing else None
        if done.returncode == 0 and points is not None and list(points.values) == [1.5]:
            yield Finding("ok", "self-test", "one run, the same in wandb and SwanLab")
            return
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        failed = f"exit code {done.returncode}, {len(runs)} SwanLab run(s); it said: {said}"
        yield Finding("wrong", "self-test", failed)

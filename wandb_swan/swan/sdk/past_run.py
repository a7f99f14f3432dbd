"""A SwanLab run that is written all at once: without what SwanLab does for runs that somebody watches as they grow."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any


@contextmanager
def at_once() -> Iterator[None]:
    """An offline SwanLab run that begins and ends in here costs less than half; what is stored of it is the same.

    SwanLab 0.8 to 0.10 greets, which is a fifth of it; watches for files that change, which takes an inotify instance;
    tries each folder whether it can be written; reads its settings; and waits for the disk after each write of the
    config and the metadata. Here these are written once, at the end, and not waited for, as the store is not: a run is
    noted as converted when it was read back. What the installed SwanLab has elsewhere is left as it is.

    Raises:
        OSError: the config or the metadata cannot be written.
    """
    files: dict[Path, str] = {}
    with ExitStack() as undo:

        def replace(module: str, name: str, make: Callable[[Any, Any], Any]) -> None:
            with suppress(ImportError, AttributeError):
                place = import_module(f"swanlab.sdk.{module}")
                original = getattr(place, name)
                setattr(place, name, make(place, original))
                undo.callback(setattr, place, name, original)

        replace("internal.run.greeting", "welcome", lambda place, original: lambda *_: None)
        replace("internal.run.greeting", "goodbye", lambda place, original: lambda *_: None)
        replace("internal.core_python.core", "FileWatcher", _no_watcher)
        replace("internal.pkg.helper", "mkdir_and_append_gitignore", _unless_there)
        replace("internal.pkg.fs", "safe_mkdirs", lambda place, original: _make_folders)
        replace("internal.pkg.fs", "safe_write", lambda place, original: _keeping(files, original))
        replace("cmd.init", "create_settings", lambda place, original: lambda: _kept(original))
        yield
    for path, content in files.items():
        with suppress(FileNotFoundError):  # the run is gone
            path.write_text(content, "utf-8")


def _no_watcher(place: Any, original: Any) -> Callable[..., Any]:
    """SwanLab's own stand-in for its watcher, which it has since 0.10.

    Raises AttributeError where it has none.
    """
    null: Callable[[], Any] = place.NullFileWatcher
    return lambda *_, **__: null()


def _unless_there(place: Any, original: Callable[[Path], None]) -> Callable[[Path], None]:
    """What makes a log directory with its `.gitignore`: it lists all runs of one that is there."""
    return lambda log_dir: None if (log_dir / ".gitignore").exists() else original(log_dir)


def _make_folders(*folders: Any, **_: Any) -> None:
    for folder in folders:  # of the run's own, which was tried
        Path(folder).mkdir(parents=True, exist_ok=True)


def _keeping(files: dict[Path, str], original: Callable[..., None]) -> Callable[..., None]:
    """`safe_write`, which keeps the texts of a run's `files` folder: its config and its metadata."""

    def write(target: Any, content: Any, *more: Any, **named: Any) -> None:
        if not more and not named and isinstance(content, str) and Path(target).parent.name == "files":
            files[Path(target)] = content
        else:
            original(target, content, *more, **named)

    return write


def _kept(original: Callable[[], Any]) -> Any:
    """SwanLab's settings as this process has found them first."""
    return _first(original, Path.cwd(), tuple(os.environ.items())).model_copy()


@lru_cache(maxsize=1)
def _first(original: Callable[[], Any], *_: Any) -> Any:
    return original()

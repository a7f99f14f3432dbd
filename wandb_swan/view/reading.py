"""Reads a run's store for the page: in stretches, in several processes where it is large, and on as it grows."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import yaml

from ..parity.stored import STRETCH, StoredRun, config_of
from ..swan.sdk.scan import FILE_HEADER, Stretch, scan, stretches
from ..swan.sdk.store import store_file

LARGE = 24 << 20
"""Bytes from which on other processes read, one for each core but the one that the page is drawn on."""


class GrowingRun(StoredRun):
    """A run folder as far as it has been read; `grow` reads on. To be used within `held`, but for `grow`."""

    def __init__(self, run_dir: Path) -> None:
        """Reads nothing yet. Raises WandbSwanError where there is no store that this SwanLab reads."""
        self._file = store_file(run_dir)
        self._at = FILE_HEADER
        self._seen = 0
        """How large the file was when all of it had been looked at: what is torn at its end stays unread."""
        self._growing = threading.Lock()
        self._using = threading.RLock()
        self.size = self._file.stat().st_size
        self.leave = False
        """Set where nobody waits for the rest."""
        self.damage = ""
        """What of the store cannot be read, and where."""
        super().__init__(run_dir)

    @property
    def read(self) -> float:
        """How much of what is there, and can be read, has been read: 0 to 1."""
        return 1.0 if self._seen >= self.size or self.damage else min(1.0, self._at / max(1, self.size))

    @property
    def behind(self) -> int:
        """Bytes that have not been read."""
        try:
            self.size = self._file.stat().st_size
        except OSError:
            return 0
        return 0 if self.damage else self.size - self._at

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nothing changes meanwhile."""
        with self._using:
            yield

    def grow(self) -> None:
        """Reads all that has come. Raises OSError, or WandbSwanError where it cannot be read."""
        with self._growing:
            if self.behind <= 0:
                return
            with closing(self._stretches()) as found:
                for stretch in found:
                    with self._using:
                        self.merge(stretch)
                    if stretch.damage is not None:
                        self.damage = f"the store is damaged at byte {stretch.damage:,}: nothing behind it is shown"
                    if self.damage or self.leave:
                        return
            self._seen = self.size

    def _read(self) -> None:
        self._configure()

    def _configure(self) -> None:
        try:
            self.config = config_of(self.dir)
        except (OSError, ValueError, yaml.YAMLError):  # it is being written
            return

    def _stretches(self) -> Generator[Stretch, None, None]:
        bounds = stretches(self.size, self._at, STRETCH)
        if self.size - self._at < LARGE:
            yield from (scan(self._file, *bound) for bound in bounds)
            return
        from _wandb_swan_command import begin_worker

        pool = ProcessPoolExecutor(
            min(len(bounds), max(1, (os.cpu_count() or 1) - 1)),
            mp_context=get_context("spawn"),
            initializer=begin_worker,
        )
        try:
            yield from pool.map(scan, repeat(self._file), *zip(*bounds, strict=True))
        finally:
            pool.shutdown(cancel_futures=True)

    def merge(self, stretch: Stretch) -> None:
        self._configure()
        super().merge(stretch)
        self._at = max(self._at, stretch.end)

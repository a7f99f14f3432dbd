"""Removes a SwanLab run folder, and its row in the local dashboard's database."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

log = logging.getLogger("wandb_swan")


def discard(run_dir: Path) -> None:
    """Removes what a broken-off conversion left. Raises OSError if the folder cannot be removed."""
    database = run_dir.parent / "runs.swanlab"
    if database.is_file():
        try:
            with closing(sqlite3.connect(database, timeout=30)) as connection:
                connection.execute("PRAGMA foreign_keys = ON")  # charts, tags and displays go with it
                with connection:
                    connection.execute("DELETE FROM experiment WHERE run_id = ?", (run_dir.name,))
        except sqlite3.Error as error:
            log.warning("the dashboard's row of %s stays: %s", run_dir.name, error)
    if run_dir.exists():
        shutil.rmtree(run_dir)

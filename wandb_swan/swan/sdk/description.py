"""The name, description, tags, group and job type of a SwanLab run that was started with other ones."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from ...atomic_file import replacing
from ...exceptions import WandbSwanError
from ...journal.framing import frame
from .batches import ask
from .session import Session
from .store import payloads

_DASHBOARD_NAME = 100
"""Characters of a name that the local dashboard's table takes."""


def rewrite(run_dir: Path, described: dict[str, Any]) -> None:
    """Puts them into the start record of a closed run folder; every other record stays as it is, byte for byte.

    Raises:
        WandbSwanError: the store cannot be read, or has no start record.
        OSError: it cannot be written; the store stays as it was.
    """
    (file,) = run_dir.glob("run-*.swanlab")
    with file.open("rb") as source:
        header = source.read(7)
    done = False
    with replacing(file) as fresh, fresh.open("wb") as target:
        offset = target.write(header)
        for payload, record in payloads(run_dir):
            if not done and record.HasField("start"):
                start = record.start
                for name in ("name", "description", "group", "job_type"):
                    setattr(start, name, described[name] or "")
                start.tags[:] = described["tags"]
                done = True
                offset += target.write(frame(record.SerializeToString(), offset))
            else:
                offset += target.write(frame(payload, offset))
        if not done:
            raise WandbSwanError(f"{file} has no start record")


def show_in_dashboard(run_dir: Path, described: dict[str, Any]) -> None:
    """Tells SwanLab's local dashboard, whose table of runs has a name and a description. Raises what it raises."""
    db: Any = importlib.import_module("swanboard.db")  # the dashboard extra

    changed = {"name": described["name"][:_DASHBOARD_NAME], "description": described["description"]}
    db.Experiment.update(**changed).where(db.Experiment.run_id == run_dir.name).execute()


def update_experiment(session: Session, described: dict[str, Any]) -> None:
    """Tells SwanLab's server, and asks whether it has the name; what is empty stays there as it was.

    Source: SwanLab 0.10, `api/experiment.py`: who posts an experiment whose id is there gets "200: it exists, update
    mode". What a server makes of it is not documented: so it is asked.

    Raises:
        WandbSwanError: the server has others.
        AttributeError, ImportError: the installed SwanLab is another.
        requests.RequestException: the server cannot be asked.
    """
    from swanlab.sdk.internal.core_python import client

    context = session.core._ctx
    project = f"/project/{context.username}/{context.project}"
    body = {
        "cuid": context.config.run_id,
        "name": described["name"],
        "description": described["description"],
        "labels": [{"name": tag} for tag in described["tags"]],
        "cluster": described["group"],
        "job": described["job_type"],
    }
    client.post(f"{project}/experiment", {name: value for name, value in body.items() if value})
    there = ask(f"{project}/runs/{context.experiment_id}")
    if isinstance(there, dict) and there.get("name") not in (None, described["name"]):
        raise WandbSwanError(f"SwanLab's server keeps the name {there['name']!r}")

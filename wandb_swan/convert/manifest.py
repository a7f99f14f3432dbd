"""What was converted before: a JSON file beside SwanLab's log directory, so that a command can be repeated."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path as FilePath
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ..atomic_file import write_whole
from ..exceptions import WandbSwanError
from ..journal.claim import Claim
from ..journal.paths import shown
from ..parity.stored import metadata_of
from ..sources.reference import RunReference
from ..sources.selection import Options
from ..swan import limits
from ..swan.sdk.discard import discard
from ..swan.sent import Sent
from .jobs import Job
from .report import RunReport

SAVE_INTERVAL = 1.0
"""Seconds between two writes of the file while runs end; what is lost with them is only converted again."""


class Entry(BaseModel):
    """One run in one SwanLab project."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    state: Literal["started", "done", "failed"]
    run_dir: str
    """The SwanLab run folder, in the log directory."""
    run_id: str = ""
    """The id of the SwanLab run; empty in manifests of version 0.1."""
    project: str = ""
    """The SwanLab project."""
    replaces: str = ""
    """The folder of an earlier conversion; removed when this one is done and noted."""
    earlier: Entry | None = None
    """That conversion, while this one is not done."""
    fingerprint: str = ""
    artifacts: str = ""
    """Where the files of its artifacts went; empty if they are listed alone."""
    max_artifact_gb: float = 0.0
    swanlab: str = ""
    identical: bool | None = None
    sent: Sent = Sent()
    """What SwanLab's cloud has been sent of it."""
    report: RunReport | None = None
    """What became of it: its losses and notices are told again as long as it is skipped."""


class Manifest:
    """The file, held by one command at a time."""

    def __init__(self, log_dir: FilePath) -> None:
        """Reads the file and takes its lock.

        Raises:
            WandbSwanError: another command converts into this log directory, or the file is damaged.
            OSError: it cannot be read or written.
        """
        self.path = log_dir.parent / f"{log_dir.name}.convert.json"
        self._log_dir = log_dir
        self._entries: dict[str, Entry] = {}
        self._texts: dict[str, tuple[Entry, str]] = {}
        """What `save` has written of each entry last: most are as they were."""
        self._saved_at = 0.0
        self._opened_at = time.time()
        self._begun: set[str] = set()
        """The keys of the runs that this command has started."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._claim = Claim(self.path.with_suffix(".lock"))
        if not self._claim.take():
            lock = shown(self.path.with_suffix(".lock"))
            raise WandbSwanError(f"another command converts into this log directory ({lock} names it)")
        if self.path.exists():
            try:
                content = json.loads(self.path.read_text("utf-8"))
                self._entries = {key: Entry.model_validate(item) for key, item in content["runs"].items()}
            except (ValueError, KeyError, AttributeError, ValidationError) as error:
                self._claim.release()
                raise WandbSwanError(f"{self.path} is damaged ({type(error).__name__}); move it away") from None
        self._taken = {entry.run_dir for entry in self._entries.values()}
        self._ids = {(_place(key, entry.project), entry.run_id): key for key, entry in self._entries.items()}
        for key, entry in self._entries.items():
            if entry.state == "done" and entry.replaces:  # killed while it was being removed
                self._remove_replaced(key)

    @property
    def folders(self) -> set[str]:
        """The names of all folders that conversions made, those that are being replaced among them."""
        entries = self._entries.values()
        return {entry.run_dir for entry in entries} | {entry.replaces for entry in entries if entry.replaces}

    def close(self) -> None:
        self.save()
        self._claim.release()

    def done(self, reference: RunReference, options: Options) -> Entry | None:
        """The earlier conversion of this run, if it is whole, still there and its source has not changed."""
        entry = self._known(reference, options)
        if entry is None or entry.state != "done" or entry.fingerprint != reference.fingerprint:
            return None
        there = options.mode == "online" or (self._log_dir / entry.run_dir).is_dir()
        return entry if there and _has_artifacts(entry, options) else None

    def start(self, reference: RunReference, options: Options, *, force: bool = False, follow: bool = False) -> Job:
        """Notes that the run is being converted; returns what is to be done.

        What an interrupted conversion left is made anew under the same name. A whole earlier conversion stays until
        the new one is done.
        """
        key = _key(reference, options)
        before = self._known(reference, options)
        earlier: Entry | None = None
        if before is not None and before.state == "started":
            run_dir, replaces, earlier = before.run_dir, before.replaces, before.earlier
        else:
            replaces, earlier = before.run_dir if before is not None else "", before
            run_dir = self._free_name(reference)
        sent = self._sent(key, before)
        self._begun.add(key)
        project = options.project or reference.project
        run_id = (before.run_id if before is not None else "") or self._free_id(reference.run_id, key, project)
        self._entries[key] = Entry(
            state="started",
            run_dir=run_dir,
            run_id=run_id,
            project=project,
            replaces=replaces,
            earlier=earlier,
            fingerprint=reference.fingerprint,
            artifacts=str(options.artifacts or ""),
            max_artifact_gb=options.max_artifact_gb if options.artifacts else 0.0,
            sent=sent,
        )
        were = earlier.artifacts if earlier is not None and options.artifacts is None else ""
        return Job(
            reference=reference,
            options=options,
            run_dir=run_dir,
            run_id=run_id,
            replaces=replaces,
            artifacts_were=were,
            sent=sent,
            follow=follow,
            force=force,
        )

    def _sent(self, key: str, before: Entry | None) -> Sent:
        """What was sent before. A command that was killed has not said when it sent something last: not after this one
        took the lock."""
        if before is None:
            return Sent()
        sent = before.sent.model_copy(update={"any_before": True})
        if key not in self._begun and (before.state != "done" or not sent.sent_at):
            sent.sent_at = self._opened_at
        return sent

    def note(self, reference: RunReference, options: Options, report: RunReport) -> None:
        """Notes what has become of a conversion."""
        key = _key(reference, options)
        entry = self._entries[key]
        if report.state == "converted":
            self._end(key, entry, report)
        elif report.refused:  # the earlier conversion is still the one to have
            self._entries[key] = entry.earlier or entry
        else:  # it may have sent something all the same
            sent = (report.sent or entry.sent).model_copy(update={"sent_at": time.time()})
            self._entries[key] = entry.model_copy(update={"sent": sent})

    def _end(self, key: str, entry: Entry, report: RunReport) -> None:
        """Notes that the run is converted, and then removes the conversion that it replaces."""
        self._entries[key] = entry.model_copy(
            update={
                "state": "done",
                "earlier": None,
                "fingerprint": "" if report.short or report.goes_on else report.fingerprint or entry.fingerprint,
                "swanlab": report.swanlab,
                "identical": report.identical,
                "sent": report.sent or entry.sent,
                "report": report.without_sent(),
            }
        )
        if entry.replaces or time.monotonic() - self._saved_at > SAVE_INTERVAL:
            self.save()
        if entry.replaces:
            self._remove_replaced(key)

    def _remove_replaced(self, key: str) -> None:
        entry = self._entries[key]
        with suppress(OSError):
            if entry.replaces != entry.run_dir:
                discard(self._log_dir / entry.replaces)
            self._entries[key] = entry.model_copy(update={"replaces": ""})

    def _known(self, reference: RunReference, options: Options) -> Entry | None:
        """The entry of this run. One of version 0.1, which did not note the server, is taken over if it is this run."""
        key = _key(reference, options)
        former = key.replace(reference.key, reference.former_key, 1)
        entry = self._entries.get(former)
        if key not in self._entries and entry is not None:
            same = reference.kind == "local" or entry.fingerprint == reference.fingerprint
            if same or metadata_of(self._log_dir / entry.run_dir).get("url") == reference.url:
                project = options.project or reference.project
                known = {"run_id": reference.run_id, "project": project}
                self._entries[key] = self._entries.pop(former).model_copy(update=known)
                self._ids[_place(key, project), reference.run_id] = key
        return self._entries.get(key)

    def _free_id(self, wanted: str, key: str, project: str) -> str:
        """An id that no other run has in the same SwanLab project: SwanLab would make one run of both."""
        run_id, number = wanted, 1
        while self._ids.setdefault((_place(key, project), run_id), key) != key:
            number += 1
            run_id = f"{wanted}-{number}"
        return run_id

    def save(self) -> None:
        """Writes the file, whole or not at all."""
        self._saved_at = time.monotonic()
        runs = ",\n".join(self._line(key, entry) for key, entry in self._entries.items())
        write_whole(self.path, f'{{"version": 1, "runs": {{\n{runs}\n}}}}\n', durable=True)

    def _line(self, key: str, entry: Entry) -> str:
        """An entry as one line: entries are never changed, others take their places."""
        written = self._texts.get(key)
        if written is None or written[0] is not entry:
            value = entry.model_dump(mode="json", exclude_defaults=True)
            text = f"{json.dumps(key, ensure_ascii=False)}: {json.dumps(value, ensure_ascii=False)}"
            written = self._texts[key] = entry, text
        return written[1]

    def _free_name(self, reference: RunReference) -> str:
        """`run-<start>-<id>` as SwanLab names its folders, with a number where that is taken."""
        stamp = time.strftime("%Y%m%d_%H%M%S", time.localtime(reference.started_at or time.time()))
        base = f"run-{stamp}-{limits.run_id(reference.run_id)}".encode()[:240].decode("utf-8", "ignore")
        name, number = base, 1
        while name in self._taken or (self._log_dir / name).exists():
            number += 1
            name = f"{base}-{number}"
        self._taken.add(name)
        return name


def _has_artifacts(entry: Entry, options: Options) -> bool:
    """Whether the files of a run's artifacts are where they are asked for, as far as they are asked for."""
    if options.artifacts is None:
        return True
    if entry.artifacts != str(options.artifacts) or entry.report is None:
        return False
    from ..sources.artifact_files import OVER

    over = any(lost.reason.startswith(OVER) for lost in entry.report.lost)
    gone = entry.report.counts.get("artifact files") and not options.artifacts.is_dir()
    return not gone and not (over and options.max_artifact_gb > entry.max_artifact_gb)


def _key(reference: RunReference, options: Options) -> str:
    """A run converted into another project, workspace or mode is another conversion."""
    return "|".join((reference.key, options.mode, options.workspace or "", options.project or ""))


def _place(key: str, project: str) -> tuple[str, ...]:
    """Where run ids must differ: a SwanLab project. A run that comes from its folder and from W&B may be one run."""
    source, mode, workspace, _ = key.rsplit("|", 3)
    return source.partition(":")[0], mode, workspace, project

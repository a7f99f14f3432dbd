"""The files of artifacts in a folder of the user's: each distinct file once, whole or not at all."""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import random
import shutil
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from pathlib import Path as FilePath
from pathlib import PurePosixPath

from ..exceptions import WandbSwanError
from ..journal.claim import Claim
from ..journal.paths import shown
from .artifact_entries import Absent, Entry, WholeFiles, bytes_text, digest_of, folder_name, refusal, told
from .downloads import AT_ONCE
from .retries import Spoiled, may_pass, retrying

CLAIMED = 8_000_000
"""Bytes from which on a file is fetched by one process at a time, which goes on where another one stopped. Of smaller
files several processes take a random order, so that they seldom fetch the same."""
WAIT = 0.2
"""Seconds between two looks at a file that another process fetches."""
LEFTOVER = 86_400.0
"""Seconds after which something unfinished in the folder is nobody's any more."""


_OF_NAMES = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.ENOTDIR, errno.EISDIR)
"""What a file system says of a name that it cannot have."""


class NoRoom(Exception):
    """The disk is full; the text says what to do."""


class Brought:
    """What came of one artifact."""

    def __init__(self) -> None:
        self.folder: FilePath | None = None
        """Where its files are; None if none came."""
        self.files = 0
        self.size = 0
        """Bytes of the files."""
        self.missing: Counter[str] = Counter()
        """Reason -> how many files are not there."""
        self.later: list[tuple[str, str]] = []
        """Of these, what another try may bring: path and reason."""


Fetch = Callable[[Entry, FilePath], None]
"""Writes the content of a file to a path, going on where that ends; raises what went wrong."""


class ArtifactStore:
    """A folder `<entity>/<project>/<name>/<version>` for each artifact, hard-linked to one copy of each distinct file.

    The copies are in `.files`, named by their digest. They are read-only: who writes into one would write into every
    version that has it.
    """

    def __init__(self, root: FilePath) -> None:
        self.root = root
        self._files = root / ".files"
        self._new = self._files / "new"
        self._whole = WholeFiles()

    def bring(self, place: Sequence[str], digest: str, entries: Iterable[Entry], fetch: Fetch) -> Brought:
        """Fetches the files that are not here yet, and puts the artifact's folder together.

        Args:
            place: The names of the folders, from the root.
            digest: Of the artifact: what else has its place goes beside it.
            entries: Its files, without those that are references.
            fetch: How one comes.

        Raises:
            NoRoom: the disk is full.
            OSError: the folder cannot be written.
        """
        brought = Brought()
        good = self._allowed(entries, brought)
        if not good:
            return brought
        self._make()
        contents = {self._content(entry): entry for entry in good}
        waiting = [entry for content, entry in contents.items() if not self._is_whole(content, entry)]
        self._room_for(waiting)
        random.shuffle(waiting)
        failed = self._fetched(waiting, fetch)
        here = [entry for entry in good if self._content(entry) not in failed]
        for entry in good:
            if (failure := failed.get(self._content(entry))) is not None:
                reason, passes = failure
                brought.missing[reason] += 1
                if passes:
                    brought.later.append((entry.path, reason))
        if here:
            try:
                brought.folder = self._put_together(place, digest, here, brought)
            except OSError as error:
                raise self._full(error) or error from None
        return brought

    # -- which ---------------------------------------------------------------------------------------------------------

    def _allowed(self, entries: Iterable[Entry], brought: Brought) -> list[Entry]:
        """Those that can be here under their own path; the others are counted."""
        listed: list[tuple[str, Entry]] = []
        for entry in sorted(entries, key=lambda entry: entry.path):
            reason = refusal(entry)
            if reason is None:
                listed.append((str(PurePosixPath(entry.path)), entry))
            else:
                brought.missing[reason] += 1
        above = {str(folder) for path, _ in listed for folder in PurePosixPath(path).parents}
        good: dict[str, Entry] = {}
        for path, entry in listed:
            if path in above:
                brought.missing["another file has its path as a folder"] += 1
            elif path in good and good[path].digest != entry.digest:
                brought.missing["another file has its path"] += 1
            else:
                good.setdefault(path, entry._replace(path=path))
        return list(good.values())

    # -- the content ---------------------------------------------------------------------------------------------------

    def _content(self, entry: Entry) -> FilePath:
        """Where the one copy of a file is."""
        name = base64.b64decode(entry.digest).hex()
        return self._files / entry.algorithm / name[:2] / name

    def _fetched(self, entries: list[Entry], fetch: Fetch) -> dict[FilePath, tuple[str, bool]]:
        """Brings contents; by content, why it did not come and whether another try may bring it."""
        full = threading.Event()

        def one(entry: Entry) -> tuple[str, bool] | NoRoom | None:
            if full.is_set():
                return None
            try:
                self._bring(entry, fetch)
            except Absent as error:
                return str(error), False
            except Exception as error:
                no_room = self._full(error)
                if no_room is None:
                    here = isinstance(error, OSError) and getattr(error, "response", None) is None
                    return told(error), here or may_pass(error)
                full.set()
                return no_room
            return None

        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="artifact") as threads:
            ends = list(threads.map(one, entries))
        for end in ends:
            if isinstance(end, NoRoom):
                raise end
        return {self._content(entry): end for entry, end in zip(entries, ends, strict=True) if isinstance(end, tuple)}

    def _bring(self, entry: Entry, fetch: Fetch) -> None:
        content = self._content(entry)
        if self._is_whole(content, entry):  # another process was faster
            return
        content.parent.mkdir(parents=True, exist_ok=True)
        if (entry.size or 0) < CLAIMED:
            part = self._new / f"{uuid.uuid4().hex}.part"
            try:
                retrying()(self._fill, entry, content, part, fetch)
            finally:
                part.unlink(missing_ok=True)
            return
        part = content.with_name(f"{content.name}.part")
        claim = Claim(content.with_name(f"{content.name}.claim"))
        while not claim.take():
            time.sleep(WAIT)
            if self._is_whole(content, entry):
                return
        try:
            if not self._is_whole(content, entry):
                retrying()(self._fill, entry, content, part, fetch)
        except OSError as error:
            if self._full(error) is not None:
                part.unlink(missing_ok=True)  # it took the room
            raise
        finally:
            claim.release()

    def _fill(self, entry: Entry, content: FilePath, part: FilePath, fetch: Fetch) -> None:
        """One try. What arrived of a file stays for the next one, unless it is wrong."""
        if not part.exists() or _size(part) != entry.size:
            if entry.size is None or _size(part) > entry.size:
                part.unlink(missing_ok=True)
            fetch(entry, part)
        came = _size(part)
        if entry.size is not None and came < entry.size:
            raise Spoiled(f"{came} bytes arrived, {entry.size} were announced")
        if (entry.size is not None and came > entry.size) or digest_of(part, entry.algorithm) != entry.digest:
            part.unlink(missing_ok=True)
            raise Spoiled(f"{came} bytes arrived with another digest than W&B has")
        part.chmod(0o444)
        part.replace(content)
        self._whole.add(content, entry.digest)

    def _is_whole(self, path: FilePath, entry: Entry) -> bool:
        return self._whole.has(path, entry.digest, entry.size, entry.algorithm)

    # -- the folders ---------------------------------------------------------------------------------------------------

    def place(self, place: Sequence[str], digest: str) -> FilePath:
        """The folder of an artifact, which is its own from now on: another with the same names goes beside it.

        Raises OSError.
        """
        self._make()
        *above, last = map(folder_name, place)
        names = [last, f"{last}-{folder_name(digest)[:12]}", *(f"{last}-{number}" for number in range(2, 1000))]
        for name in names:
            folder = self.root.joinpath(*above, name)
            # By its letters without case: some file systems take a name for the other.
            told = "/".join((*above, name)).casefold()
            owner = self._files / "places" / hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()
            if not owner.exists() and os.path.lexists(folder):
                continue  # the user's
            if _owned(owner, digest, self._new):
                return folder
        raise OSError(errno.EEXIST, "every name is taken", str(self.root.joinpath(*above, last)))

    def _put_together(self, place: Sequence[str], digest: str, entries: list[Entry], brought: Brought) -> FilePath:
        folder = self.place(place, digest)
        if not folder.exists():
            fresh = self._new / uuid.uuid4().hex
            try:
                fresh.mkdir()
                counts = self._filled(fresh, entries)
                folder.parent.mkdir(parents=True, exist_ok=True)
                with suppress(OSError):  # another process was faster
                    fresh.rename(folder)
                    brought.files, brought.size = counts[0], counts[1]
                    brought.missing.update(counts[2])
                    return folder
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
        brought.files, brought.size, missing = self._filled(folder, entries)
        brought.missing.update(missing)
        return folder

    def _filled(self, folder: FilePath, entries: list[Entry]) -> tuple[int, int, Counter[str]]:
        """Puts files into a folder that has not all of them: how many, their bytes, and why some are not there."""
        files, size = 0, 0
        missing: Counter[str] = Counter()
        own: set[tuple[int, int]] = set()
        folders: dict[FilePath, bool] = {}
        inside = folder.resolve()
        for entry in entries:
            content, path = self._content(entry), folder / entry.path
            try:
                if path.parent not in folders:
                    folders[path.parent] = path.parent.resolve().is_relative_to(inside)
                    if folders[path.parent]:
                        path.parent.mkdir(parents=True, exist_ok=True)
                if not folders[path.parent]:
                    missing["its path leads through a link of somebody else"] += 1
                    continue
                if not self._has(path, content, entry):
                    with suppress(FileNotFoundError):
                        there = path.lstat()
                        if (there.st_dev, there.st_ino) in own:
                            missing["another file has its name on this file system"] += 1
                            continue
                    self._put(content, path)
                stat = path.lstat()
            except (OSError, ValueError) as error:
                if isinstance(error, OSError) and error.errno not in _OF_NAMES:
                    raise  # it is not this file's name
                why = error.strerror if isinstance(error, OSError) else "no name"
                missing[f"its name cannot be written here: {why}"] += 1
                continue
            own.add((stat.st_dev, stat.st_ino))
            files, size = files + 1, size + stat.st_size
        return files, size, missing

    def _has(self, path: FilePath, content: FilePath, entry: Entry) -> bool:
        with suppress(OSError):
            return not path.is_symlink() and (path.samefile(content) or self._is_whole(path, entry))
        return False

    def _put(self, content: FilePath, path: FilePath) -> None:
        """A hard link, or where there can be none a copy, in the place of whatever has the path."""
        fresh = self._new / f"{uuid.uuid4().hex}.link"
        try:
            try:
                os.link(content, fresh)
            except OSError:  # no hard links here, or too many of this one
                shutil.copyfile(content, fresh)
                fresh.chmod(0o444)
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)

    # -- the disk ------------------------------------------------------------------------------------------------------

    def _make(self) -> None:
        """Makes the folder; what a process that was killed left unfinished goes."""
        self._new.mkdir(parents=True, exist_ok=True)
        (self._files / "places").mkdir(exist_ok=True)
        for left in self._new.iterdir():
            with suppress(OSError):
                if left.stat().st_mtime < time.time() - LEFTOVER:
                    shutil.rmtree(left) if left.is_dir() else left.unlink()

    def _room_for(self, entries: list[Entry]) -> None:
        needed = sum(entry.size or 0 for entry in entries)
        free = shutil.disk_usage(self.root).free
        if needed > free:
            raise NoRoom(self._no_room(f"{bytes_text(needed)} are needed, {bytes_text(free)} are free"))

    def _full(self, error: BaseException) -> NoRoom | None:
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        return NoRoom(self._no_room(str(getattr(error, "strerror", "")))) if full else None

    def _no_room(self, why: str) -> str:
        return f"no room for artifacts in {shown(self.root)} ({why}): make room and type the same command again"


@lru_cache(maxsize=4)
def artifact_store(root: FilePath) -> ArtifactStore:
    """The one of this process: what was found whole once is not read again."""
    return ArtifactStore(root)


def check_folder(root: FilePath) -> None:
    """Raises WandbSwanError, before the work, where artifacts cannot be written into a folder. It is not made."""
    there = next(folder for folder in (root, *root.absolute().parents) if os.path.lexists(folder))
    if not there.is_dir():
        raise WandbSwanError(f"artifacts cannot go to {shown(root)}: {shown(there)} is no folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise WandbSwanError(f"artifacts cannot go to {shown(root)}: {shown(there)} cannot be written")


def _owned(owner: FilePath, digest: str, new: FilePath) -> bool:
    """Whether the place is the artifact's with this digest: the file `owner` says so, made at one stroke."""
    fresh = new / f"{uuid.uuid4().hex}.place"
    fresh.write_text(digest, "utf-8")
    try:
        os.link(fresh, owner)
    except FileExistsError:
        pass
    except OSError:  # a file system without links: the content comes a moment after the name
        with suppress(FileExistsError), owner.open("x", encoding="utf-8") as file:
            file.write(digest)
    finally:
        fresh.unlink(missing_ok=True)
    return owner.read_text("utf-8") == digest


def _size(path: FilePath) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0

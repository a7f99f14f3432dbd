"""The journal gives back what was written, up to any cut, and never an exception."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wandb_swan.capture import live
from wandb_swan.journal import framing, handlers, held_file
from wandb_swan.journal import spool as journal_spool
from wandb_swan.journal import writer as journal_writer
from wandb_swan.journal.framing import BLOCK
from wandb_swan.journal.held_file import HeldFile
from wandb_swan.journal.life import is_spooled, mark_ended, mark_live
from wandb_swan.journal.reader import LogReader
from wandb_swan.journal.spool import bring, mark
from wandb_swan.journal.writer import JournalWriter
from wandb_swan.stream.records import Decoder

SIZES = st.integers(0, 40) | st.integers(BLOCK - 30, BLOCK + 30) | st.integers(0, 3 * BLOCK)
RECORDS = st.lists(
    st.binary(max_size=40) | st.builds(lambda n, b: bytes([b]) * n, SIZES, st.integers(0, 255)), max_size=8
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("journals")


def written(folder: Path, records: list[bytes]) -> Path:
    path = folder / "a.journal"
    path.unlink(missing_ok=True)
    writer = JournalWriter(path)
    for record in records:
        writer.append(record)
    writer.close()
    return path


def read(path: Path) -> list[bytes]:
    with LogReader(path) as reader:
        return list(reader)


@settings(deadline=None)
@given(RECORDS, st.data())
@example([b"x" * (BLOCK - 14 - 7), b"y"], None)
def test_what_was_written_is_read_up_to_any_cut(folder: Path, records: list[bytes], data: st.DataObject | None) -> None:
    path = written(folder, records)
    whole = path.read_bytes()
    assert read(path) == records
    cut = data.draw(st.integers(0, len(whole))) if data else len(whole) - 1
    path.write_bytes(whole[:cut])
    with LogReader(path) as reader:
        first = list(reader)
        assert first == records[: len(first)] and reader.damage is None
        path.write_bytes(whole)  # the rest arrives: the same reader goes on
        assert first + list(reader) == records


@settings(deadline=None)
@given(RECORDS.filter(bool), st.data())
def test_flipped_bytes_leave_a_prefix(folder: Path, records: list[bytes], data: st.DataObject) -> None:
    path = written(folder, records)
    broken = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        broken[data.draw(st.integers(0, len(broken) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(broken)
    found = read(path)
    assert found == records[: len(found)]


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_a_file_of_any_bytes_is_no_exception(folder: Path, junk: bytes) -> None:
    path = folder / "junk.journal"
    path.write_bytes(b":W&B\xe1\xbe\x00" + junk)
    with LogReader(path) as reader:
        list(reader)
        reader.torn()


@given(st.lists(st.binary(max_size=60), max_size=6))
@example([b"{", b"{}", b'{"type": "begin", "run": 3}', b'{"type": "end", "exit_code": "x"}', b"\x0a\x00"])
def test_decode_never_raises(payloads: list[bytes]) -> None:
    decoder = Decoder()
    for payload in payloads:
        list(decoder.feed(payload))
    list(decoder.finish())


def test_many_threads_write_whole_records(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "a.journal")
    sent = {bytes([number]) * (1 + 400 * turn) for number in range(8) for turn in range(100)}
    threads = [
        threading.Thread(target=lambda n=n: [writer.append(bytes([n]) * (1 + 400 * turn)) for turn in range(100)])
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    found = read(writer.path)
    assert len(found) == 800 and set(found) == sent
    for number in range(8):
        of_one = [len(record) for record in found if record[0] == number]
        assert of_one == sorted(of_one)


def test_a_journal_is_the_users_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        JournalWriter(tmp_path / "a.journal").close()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.journal").stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        JournalWriter(tmp_path / "a.journal")


def test_damage_stops_the_reader_for_good(tmp_path: Path) -> None:
    path = written(tmp_path, [b"a" * 50, b"b" * 50])
    content = bytearray(path.read_bytes())
    content[7 + 7 + 50 + 6] = 4  # the second record calls itself the last part of one
    path.write_bytes(content + bytes(20))
    with LogReader(path) as reader:
        assert list(reader) == [b"a" * 50] and list(reader) == []
        assert reader.torn() == "a.journal is damaged at offset 64: chunks out of order"


def test_zeros_at_the_end_are_no_damage_and_zeros_before_a_record_are(tmp_path: Path) -> None:
    path = written(tmp_path, [b"a"])
    content = path.read_bytes()
    path.write_bytes(content + bytes(5000))
    with LogReader(path) as reader:
        assert list(reader) == [b"a"] and reader.damage is None
        assert reader.torn() == f"a.journal ends in zeros from offset {len(content)}"
    path.write_bytes(content + bytes(5000) + b"x")
    with LogReader(path) as reader:
        assert list(reader) == [b"a"]
        assert reader.damage == f"a.journal is damaged at offset {len(content)}: impossible chunk"


def test_a_closed_journal_takes_no_more(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "a.journal")
    writer.append(b"a")
    writer.close()
    writer.append(b"b")
    writer.close()
    assert read(writer.path) == [b"a"]


def test_a_ctrl_c_between_a_write_and_its_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = JournalWriter(tmp_path / "a.journal")
    write = os.pwrite

    def interrupted(fd: int, data: bytes, offset: int) -> int:
        write(fd, data, offset)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "pwrite", interrupted)
    with pytest.raises(KeyboardInterrupt):
        writer.append(b"a" * 40_000)
    monkeypatch.undo()
    writer.append(b"b")
    writer.close()
    assert read(writer.path) == [b"a" * 40_000, b"b"]


OURS = {module.__file__ for module in (framing, handlers, held_file, journal_writer)}


class FromAHandler(Exception):
    """Raised by a signal handler of the program."""


def at_every_bytecode(act: Callable[[], None], append: Callable[[], None], number: int) -> bool:
    """Runs `append` and `act` before its bytecode of this number, as a signal handler would; False: it has fewer."""
    count = 0

    def trace(frame: Any, event: str, _: Any) -> Any:
        nonlocal count
        if frame.f_code.co_filename not in OURS:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            count += 1
            if count == number:
                act()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        append()
    finally:
        sys.settrace(before)
    return count >= number


@pytest.mark.skipif("coverage" in sys.modules, reason="one trace function at a time")
@pytest.mark.parametrize("size", [3, BLOCK])
def test_a_handler_appends_at_any_point_of_an_append(tmp_path: Path, size: int) -> None:
    number, goes_on = 0, True
    while goes_on:
        number += 1
        writer = JournalWriter(tmp_path / f"{number}.journal")
        writer.append(b"first")
        inner, outer = b"inner" * size, b"outer" * size
        goes_on = at_every_bytecode(
            lambda w=writer, r=inner: w.append(r), lambda w=writer, r=outer: w.append(r), number
        )
        writer.append(b"last")
        writer.close()
        expected = [b"first", outer, *([inner] if goes_on else []), b"last"]
        assert sorted(read(writer.path)) == sorted(expected), number
        assert read(writer.path)[-1] == b"last"
    assert number > 50


@pytest.mark.skipif("coverage" in sys.modules, reason="one trace function at a time")
def test_a_handler_raises_at_any_point_of_an_append(tmp_path: Path) -> None:
    def fail() -> None:
        raise FromAHandler

    number, goes_on, written_later = 0, True, 0
    while goes_on:
        number += 1
        writer = JournalWriter(tmp_path / f"{number}.journal")
        writer.append(b"first")
        try:
            goes_on = at_every_bytecode(fail, lambda w=writer: w.append(b"outer"), number)
        except FromAHandler:
            written_later += read(writer.path) == [b"first"]
        writer.append(b"last")
        writer.close()
        found = read(writer.path)
        assert found[0] == b"first" and found[-1] == b"last" and found[1:-1] in ([], [b"outer"]), number
    assert number > 50 and written_later


def test_signals_while_it_appends(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "a.journal")
    nested: list[bytes] = []

    def handler(*_: Any) -> None:
        nested.append(b"handler %d" % len(nested))
        writer.append(nested[-1])

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    outer = [b"record %d" % n for n in range(20_000)]
    try:
        for record in outer:
            writer.append(record)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    writer.close()
    assert nested
    assert sorted(read(writer.path)) == sorted(outer + nested)


def test_its_number_belongs_to_another_file(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "a.journal")
    writer.append(b"one")
    number = writer._file.fd
    assert number > 2
    os.close(number)
    theirs = os.open(tmp_path / "checkpoint", os.O_RDWR | os.O_CREAT)
    os.dup2(theirs, number)
    writer.append(b"two")  # the journal is opened again
    assert writer._file.fd != number
    os.close(writer._file.fd)
    os.dup2(theirs, writer._file.fd)
    writer.path.unlink()
    with pytest.raises(OSError):
        writer.append(b"three")
    writer.append(b"four")
    writer.close()
    assert os.fstat(number).st_size == 0, "nothing was written there"
    os.close(number)  # nor was it closed
    os.close(theirs)


def test_a_close_that_fails_is_a_close(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.close
    writer = JournalWriter(tmp_path / "a.journal")
    number = writer._file.fd

    def failing(fd: int) -> None:
        real(fd)
        raise OSError(122, "Disk quota exceeded")

    with monkeypatch.context() as patch:
        patch.setattr(os, "close", failing)
        writer.close()
    theirs = os.open(tmp_path / "checkpoint", os.O_RDWR | os.O_CREAT)
    if theirs != number:
        os.dup2(theirs, number)
    writer.append(b"late")
    writer.close()
    assert os.fstat(number).st_size == 0
    os.close(number)


def test_standard_streams_are_closed(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from wandb_swan.journal.writer import JournalWriter\n"
        "for n in range(3): os.close(n)\n"
        "writer = JournalWriter(Path(sys.argv[1])); writer.append(b'one'); assert writer._file.fd > 2\n"
        "writer.append(b'two'); writer.close()\n"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "a.journal"], check=True)
    assert read(tmp_path / "a.journal") == [b"one", b"two"]


@pytest.mark.skipif("coverage" in sys.modules, reason="one trace function at a time")
@pytest.mark.parametrize("raises", [False, True])
def test_a_handler_ends_the_run_at_any_point_of_an_append(tmp_path: Path, raises: bool) -> None:
    """The usual handler of SIGTERM: it logs, finishes, and exits."""
    number, goes_on = 0, True
    while goes_on:
        number += 1
        writer = JournalWriter(tmp_path / f"{number}.journal")

        def end(writer: JournalWriter = writer) -> None:
            writer.append(b"inner")
            writer.close()
            if raises:
                raise FromAHandler

        with contextlib.suppress(FromAHandler):
            goes_on = at_every_bytecode(end, lambda w=writer: w.append(b"outer"), number)
        if goes_on and not raises:
            descriptors = [link for link in Path("/proc/self/fd").iterdir() if link.exists()]
            assert not any(str(writer.path) in os.fspath(link.readlink()) for link in descriptors), number
        found = read(writer.path)
        writer.close()
        if goes_on:
            assert found in ([b"inner"], [b"outer", b"inner"], [b"inner", b"outer"]), number
            size = writer.path.stat().st_size
            writer.append(b"late")
            assert writer.path.stat().st_size == size


class Spooled:
    """A `Relief` that has a spool for every journal, and copies it when it is asked to."""

    def __init__(self, journal: Path) -> None:
        self.journal = journal
        self.path = journal.with_name(f"{journal.stem}.d") / "spooled.journal"
        self.forgotten = False
        self.full: OSError | None = None

    def spool(self, journal: HeldFile, seconds: float) -> HeldFile | None:
        if self.forgotten:
            return None
        self.path.parent.mkdir()
        mark_live(self.path)
        mark(self.journal, self.path)
        return HeldFile(self.path)

    def failed(self, error: OSError) -> None:
        self.full = error

    def over(self, spool: Path) -> bool:
        return mark_ended(spool)

    def forget(self) -> None:
        self.forgotten = True

    def bring(self) -> None:
        """As who copies does when the run has ended."""
        mark_ended(self.path)
        bring(self.journal)
        assert not self.path.parent.exists()


def on_a_slow_disk(path: Path) -> tuple[JournalWriter, Spooled]:
    """A journal with one record, that turns to a spool after the next one."""
    writer = JournalWriter(path)
    writer.append(b"first")
    relief = writer.relief = Spooled(path)
    writer._slow = 2 * journal_writer.SLOW_WRITES
    return writer, relief


@pytest.mark.parametrize("size", [3, 3 * BLOCK])
def test_a_spooled_journal_has_the_bytes_that_it_would_have_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(journal_spool, "SYNC", 2 * BLOCK)  # what was copied is cut out of the spool
    records = [b"first", *(bytes([n]) * (size + n) for n in range(20))]
    writer, relief = on_a_slow_disk(tmp_path / "a.journal")
    for record in records[1:]:
        writer.append(record)
        bring(writer.path)  # who copies was started again and again
    writer.close()
    assert relief.path.exists() and is_spooled(writer.path)
    relief.bring()
    (tmp_path / "b").mkdir()
    assert writer.path.read_bytes() == written(tmp_path / "b", records).read_bytes()
    assert not is_spooled(writer.path)


def test_who_copies_goes_on_where_a_killed_one_was(tmp_path: Path) -> None:
    """Killed after any byte, also in the middle of a record."""
    writer, relief = on_a_slow_disk(tmp_path / "a.journal")
    writer.append(b"second")
    before = writer.path.stat().st_size
    for n in range(3):
        writer.append(bytes([n]) * 50)
    writer.close()
    spool = relief.path.read_bytes()
    for end in range(before, len(spool)):
        with writer.path.open("r+b") as journal:
            journal.truncate(before)
            journal.seek(before)
            journal.write(spool[before:end])
        bring(writer.path)
        assert read(writer.path) == [b"first", b"second", b"\0" * 50, b"\1" * 50, b"\2" * 50]
    relief.bring()


def test_a_spool_that_takes_no_more(tmp_path: Path) -> None:
    writer, relief = on_a_slow_disk(tmp_path / "a.journal")
    writer.append(b"second")
    writer.append(b"third")
    os.close(writer._out.fd)
    relief.path.rename(relief.path.with_name("elsewhere"))  # it cannot be opened again
    copier = threading.Timer(0.3, lambda: writer.path.write_bytes(relief.path.with_name("elsewhere").read_bytes()))
    with writer.path.open("rb") as journal:
        begin = journal.read()
    with relief.path.with_name("elsewhere").open("r+b") as spool:
        spool.write(begin)
    copier.start()
    writer.append(b"fourth")  # waits until all that was spooled is there
    writer.append(b"fifth")
    writer.close()
    assert read(writer.path) == [b"first", b"second", b"third", b"fourth", b"fifth"]
    assert isinstance(relief.full, FileNotFoundError)


@pytest.mark.parametrize(
    ("seconds", "spooled"),
    [
        ([0.05] * 3, True),
        ([0.0001] * 50 + [0.05] * 3, True),
        ([0.05, 0.0001, 0.0001] * 3 + [0.05], True),
        ([30.0, *[0.0001] * 40] * 5, False),  # a hiccup now and then
        ([0.01] * 100, False),
    ],
)
def test_when_a_disk_is_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: list[float], spooled: bool
) -> None:
    writer = JournalWriter(tmp_path / "a.journal")
    writer.relief = Spooled(writer.path)
    clock, left = [0.0], [*seconds]
    monkeypatch.setattr(journal_writer.time, "monotonic", lambda: clock[0])
    put = HeldFile.put

    def slow(self: HeldFile, data: bytes, offset: int) -> None:
        clock[0] += left.pop(0)
        put(self, data, offset)

    monkeypatch.setattr(HeldFile, "put", slow)
    while left:
        assert writer.spooled is None
        writer.append(b"a")
    assert (writer.spooled is not None) is spooled
    writer.close()


@pytest.mark.skipif("coverage" in sys.modules, reason="one trace function at a time")
@pytest.mark.parametrize("act", ["append", "raise", "end", "fork"])
def test_a_handler_at_any_point_of_the_way_to_a_spool(tmp_path: Path, act: str) -> None:
    number, goes_on = 0, True
    while goes_on:
        number += 1 if act != "fork" else 7
        writer, relief = on_a_slow_disk(tmp_path / f"{number}.journal")
        live.captured["r"] = SimpleNamespace(journal=writer)  # type: ignore[assignment]
        children: list[int] = []

        def handle(writer: JournalWriter = writer, children: list[int] = children) -> None:
            if act == "fork":
                children.append(os.fork())
                return
            if act != "raise":
                writer.append(b"inner")
            if act == "end":
                writer.close()
            if act == "raise":
                raise FromAHandler

        try:
            with contextlib.suppress(FromAHandler):
                goes_on = at_every_bytecode(handle, lambda w=writer: w.append(b"outer"), number)
            if children and children[0] == 0:
                writer.append(b"child")
                writer.close()
        finally:
            if children and children[0] == 0:
                os._exit(0)
        live.captured.clear()
        for child in children:
            os.waitpid(child, 0)
        writer.append(b"last")
        writer.close()
        if writer.spooled is not None:
            relief.bring()
        found = read(writer.path)
        assert found[0] == b"first"
        expected = {
            "append": [b"inner", b"last", b"outer"],
            "end": [b"inner", b"outer"],
            "fork": [b"last", b"outer"],
            "raise": [b"last", b"outer"],
        }[act]
        if not goes_on:
            expected = [b"last", b"outer"]
        may_lack = [b"outer"] if act in ("raise", "end") else []
        assert sorted(found[1:]) in (expected, [one for one in expected if one not in may_lack]), number
        if act in ("raise", "fork"):  # what is left in the middle may cost a descriptor
            continue
        open_files = [os.fspath(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.exists()]
        assert not [name for name in open_files if str(tmp_path) in name], number
    assert number > 100


@pytest.mark.skipif("coverage" in sys.modules, reason="one trace function at a time")
def test_a_handler_forks_at_any_point_of_an_append(tmp_path: Path) -> None:
    """The child comes back into the append: it must not write to the parent's journal."""
    number, goes_on = 0, True
    while goes_on:
        number += 3
        writer = JournalWriter(tmp_path / f"{number}.journal")
        live.captured["r"] = SimpleNamespace(journal=writer)  # type: ignore[assignment]
        children: list[int] = []

        def fork(children: list[int] = children) -> None:
            children.append(os.fork())

        try:
            goes_on = at_every_bytecode(fork, lambda w=writer: w.append(b"outer"), number)
            if children and children[0] == 0:
                writer.append(b"child")
                writer.close()
        finally:
            if children and children[0] == 0:
                os._exit(0)
        live.captured.clear()
        writer.append(b"last")
        for child in children:
            os.waitpid(child, 0)
        writer.append(b"very last")
        writer.close()
        assert read(writer.path) == [b"outer", b"last", b"very last"], number

"""Files are written whole or not at all, whatever happens on the way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from wandb_swan.atomic_file import replacing, write_whole


@pytest.mark.skipif(sys.platform == "win32", reason="no permissions of that kind")
def test_a_file_is_replaced_with_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    path.write_text("before")
    (tmp_path / ".status.json.part").write_text("of a process that was killed")
    (tmp_path / ".status.json.part").chmod(0o644)
    write_whole(path, "数据\n", mode=0o600, durable=True)
    assert path.read_bytes() == "数据\n".encode()
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failure", [OSError("no space left"), KeyboardInterrupt()])
def test_what_fails_leaves_the_former_content_and_nothing_beside_it(tmp_path: Path, failure: BaseException) -> None:
    path = tmp_path / "file"
    path.write_text("before")
    with pytest.raises(type(failure)), replacing(path) as fresh:
        fresh.write_text("half")
        assert path.read_text() == "before"
        raise failure
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_two_names_that_begin_alike_are_written_at_once(tmp_path: Path) -> None:
    """W&B's file names hold the key of the metric: downloads of two long ones at a time were one file."""
    one, other = tmp_path / ("k" * 240 + "_1.png"), tmp_path / ("k" * 240 + "_2.png")
    with replacing(one) as first, replacing(other) as second:
        first.write_text("1")
        second.write_text("2")
    assert (one.read_text(), other.read_text()) == ("1", "2")


@pytest.mark.parametrize("name", ["名" * 83 + ".png", "x" * 255], ids=["letters of three bytes", "255 bytes"])
def test_the_longest_names_are_written(tmp_path: Path, name: str) -> None:
    write_whole(tmp_path / name, "content")
    assert (tmp_path / name).read_text() == "content"


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links")
def test_a_link_is_replaced_and_not_what_it_leads_to(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("theirs")
    link.symlink_to(target)
    write_whole(link, "ours")
    assert target.read_text() == "theirs" and link.read_text() == "ours" and not link.is_symlink()


def test_a_status_is_written_in_any_locale(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-E", "-X", "utf8=0", "-c"),
            "import sys; sys.path[:] = eval(sys.argv[1]); from pathlib import Path\n"
            "from wandb_swan.journal.status import read_status, write_status\n"
            "journal = Path('run.journal')\n"
            "status = {'reason': chr(0x6570)}\n"
            "assert write_status(journal, status) and read_status(journal) == status",
            repr(sys.path),
        ],
        cwd=tmp_path,
        env={"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr

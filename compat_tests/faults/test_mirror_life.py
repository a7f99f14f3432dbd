"""A mirror that dies, and who may take a journal: while its training lives, nobody ends its run."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from compat_tests.faults.conftest import LOOP, Train, Training, assert_whole, kill, preload_library, until
from compat_tests.servers.swanlab_cloud import SwanLabCloud
from compat_tests.stores import SwanStore, WandbStore

Check = Callable[..., None]
SLOWLY = LOOP.replace("    if i in (10, 50):", "    time.sleep(0.05)\n    if i in (10, 50):")


def rows(training: Training) -> int:
    """Rows in the SwanLab run that is being written now."""
    return int(training.statuses[-1].get("counts", {}).get("rows", 0)) if training.statuses else 0


def mirrored_until(training: Training, gate: str) -> None:
    training.at(gate)
    until(lambda: training.statuses and training.statuses[-1].get("run_dir"))


@pytest.mark.fault(
    "`kill -9` of the mirror while the run goes on, twice",
    "started again while the run goes on, after a pause; equal stores",
)
def test_a_mirror_is_started_again_during_the_run(train: Train, unharmed: Check) -> None:
    training = train()
    for _ in range(2):
        mirrored_until(training, "middle")
        (before,) = training.mirrors()
        kill(before)
        until(lambda before=before: any(one.pid != before.pid for one in training.mirrors()), 60)  # type: ignore[misc]
        until(lambda: rows(training) >= 30, 60)
    assert training.process.poll() is None
    unharmed(training.end())
    assert assert_whole(training.mirrored()).state == "finished"
    assert training.journals == []


@pytest.mark.fault(
    "A live run's mirror is dead and cannot be started again yet; somebody types `wandb-swan status` and `resume`",
    "a mirror follows the run to its end; nothing is ended, nothing deleted; equal stores",
)
def test_resume_follows_a_live_run(train: Train, unharmed: Check) -> None:
    training = train()
    mirrored_until(training, "middle")
    training.process.send_signal(signal.SIGSTOP)  # so that it does not start a mirror itself
    kill(training.mirrors()[0])
    until(lambda: not training.mirrors())
    told = training.command("status")
    assert "no mirror" in told and "interrupted" not in told
    assert "its training goes on, and so does a mirror now" in training.command("resume")
    until(lambda: len(training.mirrors()) == 1)  # a second one may be on its way out
    assert len(training.journals) == 1
    assert "is being mirrored now, left alone" in training.command("resume")
    training.process.send_signal(signal.SIGCONT)
    unharmed(training.end())
    assert assert_whole(training.mirrored()).state == "finished"
    assert training.journals == [] and len(training.swan_dirs()) == 1


@pytest.mark.fault(
    "The same, and the mirror dies again while `finish()` waits for it",
    "`finish()` starts one; equal stores",
)
def test_the_followers_mirror_is_killed_while_finish_waits(train: Train, unharmed: Check) -> None:
    training = train()
    mirrored_until(training, "end")
    training.process.send_signal(signal.SIGSTOP)
    kill(training.mirrors()[0])
    until(lambda: not training.mirrors())
    training.command("resume")
    (follower,) = training.mirrors()
    follower.suspend()
    training.process.send_signal(signal.SIGCONT)
    training.go("end")
    time.sleep(2)
    kill(follower)
    unharmed(training.end())
    assert assert_whole(training.mirrored()).state == "finished"


PRELOAD = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
static int refused(void) { return getenv("FAULTS_NO_LOCKS") != NULL; }
int flock(int fd, int how) {
    int mode = fcntl(fd, F_GETFL) & O_ACCMODE;
    if (refused()) { errno = ENOLCK; return -1; }
    if ((how & LOCK_EX) && mode == O_RDONLY) { errno = EBADF; return -1; }  /* Linux NFS: a POSIX lock in its place */
    if ((how & LOCK_SH) && mode == O_WRONLY) { errno = EBADF; return -1; }
    struct flock lock = {.l_type = how & LOCK_UN ? F_UNLCK : how & LOCK_EX ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET};
    int done = fcntl(fd, how & LOCK_NB ? F_SETLK : F_SETLKW, &lock);
    if (done < 0 && errno == EACCES) errno = EWOULDBLOCK;
    return done;
}
static int is_journal(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 8) return 0;
    path[n] = 0;
    return strcmp(path + n - 8, ".journal") == 0;
}
ssize_t read(int fd, void *to, size_t n) {
    static ssize_t (*real)(int, void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "read");
    const char *stale = getenv("FAULTS_STALE");
    if (stale && access(stale, F_OK) == 0 && is_journal(fd)) { errno = ESTALE; return -1; }
    return real(fd, to, n);
}
"""


@pytest.fixture(scope="session")
def network_disk(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A library that has file locks and reads behave as on a network file system."""
    return preload_library(tmp_path_factory.mktemp("preload"), PRELOAD)


@pytest.mark.fault(
    "A file system whose locks are POSIX locks (Linux NFS), or that has none: `status` and `resume` during a live run, "
    "two at once after `kill -9` of trainer and mirror",
    "the live run is left alone; of two mirrors one works; equal stores, once",
)
@pytest.mark.parametrize("locks", ["posix", "none"])
def test_a_file_system_without_flock(
    train: Train, cloud: SwanLabCloud, unharmed: Check, network_disk: str, locks: str
) -> None:
    disk = {"LD_PRELOAD": network_disk, "FAULTS_NO_LOCKS": "1" if locks == "none" else None}
    training = train(**disk, **cloud.env())
    mirrored_until(training, "middle")
    told = training.command("status")
    assert "running" in told and "interrupted" not in told
    assert "is being mirrored now, left alone" in training.command("resume")
    training.at("end")
    until(lambda: rows(training) >= 60)
    kill(training.mirrors()[0])
    kill(training.process)
    training.end(expect=-signal.SIGKILL)
    command = [Path(sys.executable).with_name("wandb-swan"), "resume"]
    both = [subprocess.Popen(command, cwd=training.dir, env=training.env) for _ in range(2)]
    assert [one.wait(120) for one in both] == [0, 0]
    training.mirrored()
    kept = cloud.experiment("r1")
    assert len(kept.metrics["loss"]) == 60
    assert kept.duplicate_points == []
    assert [line for line in kept.lines if "wandb" not in line][:2] == ["half way", "trained"]
    assert training.journals == []


@pytest.mark.fault(
    "The journal cannot be read for a while (ESTALE)",
    "read again where it was; equal stores",
)
def test_a_stale_handle(train: Train, unharmed: Check, network_disk: str, tmp_path: Path) -> None:
    stale = tmp_path / "stale"
    training = train(SLOWLY, LD_PRELOAD=network_disk, FAULTS_STALE=str(stale))
    until(lambda: training.statuses and training.statuses[-1].get("run_dir"))
    (mirror,) = training.mirrors()
    stale.touch()
    training.at("middle")
    time.sleep(1.5)
    stale.unlink()
    unharmed(training.end(), SLOWLY)
    assert assert_whole(training.mirrored()).state == "finished"
    assert "it is tried again" in training.log()
    assert mirror.pid == training.statuses[-1]["pid"], "it did not have to start anew"


def elsewhere(training: Training, *arguments: str) -> str:
    """`wandb-swan ...` where other processes are not seen: as in another container."""
    command = ["unshare", "--pid", "--fork", "--mount-proc", Path(sys.executable).with_name("wandb-swan"), *arguments]
    done = subprocess.run(command, cwd=training.dir, env=training.env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.fault(
    "`resume` in a container (pid namespace) that sees neither the trainer nor the mirror of a live run",
    "what it cannot see is not dead: the run is left alone",
)
def test_another_container(train: Train, unharmed: Check) -> None:
    if subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "true"], capture_output=True).returncode:
        pytest.skip("no namespaces may be made here")
    training = train()
    mirrored_until(training, "middle")
    assert "is being mirrored now, left alone" in elsewhere(training, "resume")
    assert "interrupted" not in elsewhere(training, "status")
    unharmed(training.end())
    assert assert_whole(training.mirrored()).state == "finished"


@pytest.mark.fault(
    "A trainer that nobody can see is silent for minutes, is taken for dead, and then writes on",
    "its journal was kept; equal stores, the run is finished",
)
def test_the_only_whole_copy_is_kept_where_a_trainer_is_only_silent(train: Train) -> None:
    """The trainer is taken for dead after minutes of silence, on another host; it was suspended, and writes on."""
    training = train()
    mirrored_until(training, "end")
    until(lambda: rows(training) >= 60)
    training.process.send_signal(signal.SIGSTOP)
    kill(training.mirrors()[0])
    (journal,) = training.journals
    silent = (
        "import sys; from pathlib import Path; from wandb_swan.journal import life; from wandb_swan.mirror import process\n"
        "life.lives = lambda who: None\nlife.SILENCE = 0.0\n"
        "sys.exit(process.main(sys.argv[1:]))"
    )
    until(lambda: not training.mirrors())
    done = subprocess.run([sys.executable, "-c", silent, str(journal)], cwd=training.dir, env=training.env, timeout=120)
    assert done.returncode == 0
    assert journal.exists()
    (folder,) = training.swan_dirs()
    assert SwanStore.read(folder).state == "crashed"
    training.process.send_signal(signal.SIGCONT)
    training.end().mirrored()
    assert training.journals == []
    store = assert_whole(training)
    assert store.state == "finished"
    assert len(WandbStore.read(training.wandb_dirs[0]).rows) == 62


def test_a_mirror_gives_way_to_its_training(train: Train) -> None:
    training = train()
    mirrored_until(training, "middle")
    (mirror,) = training.mirrors()
    assert mirror.nice() == psutil.Process(training.process.pid).nice() + 10
    group = Path(f"/proc/{mirror.pid}/autogroup")
    if group.exists():  # Linux shares the processor between sessions first, and then within each
        assert group.read_text().split()[-1] == "10"
    training.end()
    assert_whole(training.mirrored())

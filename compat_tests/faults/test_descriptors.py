"""What we write reaches our files alone, whatever becomes of descriptors; and handlers may log."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from compat_tests.faults.conftest import Bare, Train, assert_whole, preload_library, wandb_facts

Check = Callable[..., None]

CHECKPOINTS = """
def checkpoints():
    for n in range(20):
        yield open(f"checkpoint{n}", "w+b")
run = wandb.init(project="p", id="r1")
files = checkpoints()
saved = []
for i in range(400):
    run.log({"loss": i / 3, "text": "x" * 50})
    if i % 20 == 19:
        file = next(files)
        file.write(b"weights" * 100)
        file.flush()
        saved.append(file)
run.finish()
for n, file in enumerate(saved):
    file.close()
    assert pathlib.Path(f"checkpoint{n}").read_bytes() == b"weights" * 100, n
print("done")
"""

QUOTA = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
static long written;
static int is_journal(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    return n > 8 && memcmp(path + n - 8, ".journal", 8) == 0;
}
static int full(int fd, size_t n) {
    if (!is_journal(fd)) return 0;
    if (written + (long)n > 20000) { errno = EDQUOT; return 1; }
    written += n;
    return 0;
}
ssize_t write(int fd, const void *data, size_t n) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "write");
    return full(fd, n) ? -1 : real(fd, data, n);
}
ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at) {
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (!real) real = dlsym(RTLD_NEXT, "pwrite64");
    return full(fd, n) ? -1 : real(fd, data, n, at);
}
ssize_t pwrite(int fd, const void *data, size_t n, off_t at) { return pwrite64(fd, data, n, at); }
int close(int fd) {
    static int (*real)(int);
    if (!real) real = dlsym(RTLD_NEXT, "close");
    int over = is_journal(fd) && written > 10000;
    int done = real(fd);
    if (over) { errno = EDQUOT; return -1; }  /* and the number is given back all the same */
    return done;
}
"""


@pytest.fixture(scope="session")
def quota(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A library with which the journal is over quota from 20,000 bytes on, and says so when it is closed, too."""
    return preload_library(tmp_path_factory.mktemp("preload"), QUOTA)


@pytest.mark.fault(
    "The journal is over quota, and `close()` fails as well (NFS); the training goes on to write checkpoints",
    "no byte of ours in them; one warning; the rest is read from wandb's own log; equal stores",
)
def test_over_quota_at_close(train: Train, unharmed: Check, quota: str) -> None:
    training = train(CHECKPOINTS, gates=False, LD_PRELOAD=quota).end()
    unharmed(training, CHECKPOINTS)
    assert sum("stopped" in line for line in training.said) == 1
    assert assert_whole(training.mirrored()).state == "finished"


OWN = """
def number():
    import wandb_swan.capture.live as live
    return live.captured["r1"].journal._file.fd if live.captured else os.open("/dev/null", os.O_RDONLY)
"""
"""The number of the journal's descriptor; without us, any."""

TAKEN = CHECKPOINTS.replace(
    "def checkpoints():\n    for n in range(20):\n        yield open(",
    "def checkpoints():\n    for n in range(20):\n        if n == 3:\n"
    "            taken = number()\n            os.close(taken)\n            file = open('checkpoint3', 'w+b')\n"
    "            os.dup2(file.fileno(), taken)\n            yield file\n            continue\n        yield open(",
)


@pytest.mark.fault(
    "The training closes the journal's descriptor, and a file of its own gets the number",
    "not a byte of ours in it; the journal is opened again; equal stores",
)
def test_the_number_is_another_file(train: Train, unharmed: Check) -> None:
    script = OWN + TAKEN
    training = train(script, gates=False).end()
    unharmed(training, script)
    assert assert_whole(training.mirrored()).state == "finished"
    assert not any("stopped" in line for line in training.said)


@pytest.mark.fault(
    "Descriptors 0 to 2 are closed before the run starts; a checkpoint has the number 2 when we have something to say",
    "no byte of ours in it; equal stores",
)
def test_the_standard_streams_are_closed(train: Train, bare: Bare) -> None:
    script = """
    for n in (0, 2):
        os.close(n)
    first = open("first", "wb")
    checkpoint = os.open("checkpoint", os.O_RDWR | os.O_CREAT)
    assert {first.fileno(), checkpoint} == {0, 2}
    os.environ["WANDB_SILENT"] = "true"
    run = wandb.init(project="p", id="r1")
    for i in range(60):
        run.log({"loss": i})
    import wandb_swan.capture.live as live
    from wandb_swan.capture.messages import warn
    warn("a line")
    for capture in list(live.captured.values()):
        capture.broken("as if")
    os.write(checkpoint, b"weights")
    run.finish()
    assert pathlib.Path("checkpoint").read_bytes() == b"weights", pathlib.Path("checkpoint").read_bytes()
    assert pathlib.Path("first").read_bytes() == b""
    print("done")
    """
    training = train(script, gates=False).end()
    alone = bare(script)
    assert (training.returncode, training.stdout) == (alone.returncode, alone.stdout)
    assert wandb_facts(training) == wandb_facts(alone)
    assert_whole(training.mirrored())


HANDLER = """
import signal
class Late(TimeoutError):
    pass
run = wandb.init(project="p", id="r1")
seen = []
def handler(*_):
    if len(seen) < 150:
        seen.append(len(seen))
        tap_only(seen[-1])
def tap_only(n):
    import wandb_swan.capture.live as live
    for capture in list(live.captured.values()):  # what log() does of ours: wandb's own lock is not re-entrant
        with capture.order:
            capture.journal.append(b"")
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
for i in range(1500):
    run.log({"loss": i})
signal.setitimer(signal.ITIMER_REAL, 0)
print("ended", flush=True)
def late(*_):
    raise Late("user's own")
signal.signal(signal.SIGALRM, late)
caught = 0
for i in range(60):
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.001 + i % 7 / 5000)
        while True:
            tap_only(i)
    except Late:
        caught += 1
print(caught)
run.finish()
"""


@pytest.mark.fault(
    "A signal handler logs while `log()` runs; another one raises there",
    "no hang; the exception reaches the training; every record is in the journal once",
)
def test_a_handler_that_logs(train: Train) -> None:
    training = train(HANDLER, gates=False).end(timeout=200)
    assert training.stdout.splitlines()[:2] == ["ended", "60"]
    assert not any("stopped" in line for line in training.said)
    assert len(assert_whole(training.mirrored()).scalars["loss"]) == 1500

"""A process that has imported what worker processes need, and forks them: they begin in milliseconds, with its memory.

It has one thread, and knows nothing of runs. It ends when its socket does, or is asked to.
"""

from __future__ import annotations

import gc
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..capture.process import DEFER, name_process, start_python
from ..sources import exports

_PATIENCE = 60.0
"""Seconds for an answer; the first one comes after the imports."""
_LOOK = 0.005
"""Seconds between two looks whether a process has ended."""


class Host:
    """The process, as the command has it."""

    @staticmethod
    def possible() -> bool:
        """Whether workers can be forked here: other systems' libraries may not bear it."""
        return sys.platform == "linux" and hasattr(socket, "send_fds")

    def __init__(self, log_dir: Path, log: Path, environment: Mapping[str, str]) -> None:
        """Starts it; what it and its children print goes to `log`. Raises OSError."""
        self.log_dir = log_dir
        log.parent.mkdir(parents=True, exist_ok=True)
        self._asking = threading.Lock()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(_PATIENCE)
        try:
            # A session of its own: Ctrl-C is for the command, which then ends its workers.
            self._process = start_python(
                "wandb_swan.convert.host",
                str(theirs.fileno()),
                log=log,
                before=DEFER,
                piped=True,
                base=environment,
                keep=[theirs.fileno()],
            )
        except OSError:
            self._socket.close()
            raise
        finally:
            theirs.close()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    @property
    def lives(self) -> bool:
        return self._socket.fileno() >= 0 and self._process.poll() is None

    def fork(self, place: str) -> Forked:
        """A worker process whose wandb core keeps its exports in `place`. Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                pid = self.ask({"fork": place}, theirs.fileno())
            except OSError:
                ours.close()
                raise
        if pid is None:
            ours.close()
            raise BlockingIOError
        return Forked(self, pid, ours)

    def ask(self, what: dict[str, Any], *descriptors: int) -> Any:
        """Raises OSError where it does not answer."""
        with self._asking:
            try:
                socket.send_fds(self._socket, [json.dumps(what).encode()], descriptors)
                answer = self._socket.recv(1 << 16)
            except OSError:
                self._socket.close()  # what it says later is no answer to anything
                raise
        if not answer:
            raise ConnectionResetError
        return json.loads(answer)

    def close(self) -> None:
        """Ends it; its children end when their own sockets do."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # somebody may be waiting for an answer
        self._socket.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Forked:
    """A forked process, like a `subprocess.Popen` with pipes."""

    def __init__(self, host: Host, pid: int, connection: socket.socket) -> None:
        self._host = host
        self._pid = pid
        self._connection = connection
        self.stdin, self.stdout = connection.makefile("wb"), connection.makefile("rb")

    def wait(self, seconds: float = 60.0) -> int | None:
        """Its exit code; None where nobody can say it. Raises subprocess.TimeoutExpired."""
        self._connection.close()
        end = time.monotonic() + seconds
        with suppress(OSError):
            while (code := self._host.ask({"reap": self._pid})) is None:
                if time.monotonic() > end:
                    raise subprocess.TimeoutExpired("worker", seconds)
                time.sleep(_LOOK)
            return int(code)
        return None

    def kill(self) -> None:
        """At once; where the host is gone, it ends by itself."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            self._host.ask({"kill": self._pid})


def main(arguments: list[str]) -> int:
    """The host: `DESCRIPTOR`, that of its socket; and each worker that it forks."""
    os.dup2(2, 1)
    from . import worker

    name_process("swan-workers")
    gc.freeze()  # nobody has to look through what was imported for garbage
    connection = socket.socket(fileno=int(arguments[0]))
    children: set[int] = set()
    while True:
        said, descriptors, _, _ = socket.recv_fds(connection, 1 << 16, 1)
        if not said:
            os._exit(0)
        ((what, of),) = json.loads(said).items()
        answer: int | None = None
        if what == "fork":
            with suppress(OSError):
                answer = os.fork()
            if answer == 0:
                connection.close()
                for standard in (0, 1):
                    os.dup2(descriptors[0], standard)
                os.close(descriptors[0])
                os.environ[exports.PLACE] = of
                random.seed()
                name_process("swan-worker")
                sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
                return worker.main()
            if answer is not None:
                children.add(answer)
            os.close(descriptors[0])
        elif what == "kill" and of in children:
            os.kill(of, signal.SIGKILL)
        elif what == "reap" and of in children:
            pid, status = os.waitpid(of, os.WNOHANG)
            if pid:
                children.remove(of)
                answer = os.waitstatus_to_exitcode(status)
        connection.send(json.dumps(answer).encode())

"""A loopback HTTP server that misbehaves on command: it fails, hangs, trickles, cuts, goes away and comes back."""

from __future__ import annotations

import json
import random
import re
import socket
import struct
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Literal, NoReturn, TypeVar

from werkzeug.exceptions import HTTPException
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.wrappers import Request, Response

Kind = int | Literal["refuse", "hang", "trickle", "cut"]
Self = TypeVar("Self", bound="LoopbackServer")


@dataclass(eq=False)
class Fault:
    """One misbehaviour. `hits` counts the requests it was done to; `release()` lets go those that hang."""

    pattern: str
    kind: Kind
    times: int | None
    skip: int
    method: str | None
    body: bytes | None
    seconds: float
    retry_after: float | None
    applied: bool
    share: float = 1.0
    kinds: Sequence[Kind] = ()
    dice: random.Random = field(default_factory=random.Random, repr=False)
    hits: int = 0
    released: threading.Event = field(default_factory=threading.Event, repr=False)

    def release(self) -> None:
        """Let every request that hangs in this fault go on, now and later."""
        self.released.set()


@dataclass
class Seen:
    """One request as it arrived (headers are never kept). `status` stays None where no answer was sent in full."""

    method: str
    path: str
    query: str
    size: int
    at: float
    status: int | None = None
    fault: Kind | None = None


def abort(connection: socket.socket) -> None:
    """End a connection at once, as a crashed peer or a firewall does, and wake the thread that reads from it."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # already closed by either side


def gone(connection: socket.socket) -> bool:
    """True once the client has closed its end (the request's body must have been read before)."""
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        pass


class _Server(ThreadedWSGIServer):
    """werkzeug's threaded server, knowing its open connections, so that they can be cut and their threads joined."""

    def __init__(self, listening: socket.socket, app: Any) -> None:
        host, port = listening.getsockname()
        super().__init__(host, port, app, _Quiet, fd=listening.fileno())
        self.open: dict[socket.socket, threading.Thread] = {}

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        self.open[request] = thread
        thread.start()

    def shutdown_request(self, request: Any) -> None:
        self.open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a connection that broke while it was read; errors of the application are in `LoopbackServer.errors`

    def log(self, type: str, message: str, *args: Any) -> None:
        pass


class LoopbackServer:
    """An HTTP server on 127.0.0.1 (a free port, the same one for life); subclasses say what it answers.

    `requests` lists what came in, `errors` the tracebacks of answers that failed (a test asserts that it is empty).
    """

    def __init__(self) -> None:
        self.requests: list[Seen] = []
        self.errors: list[str] = []
        self._faults: list[Fault] = []
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._return: threading.Timer | None = None
        self._server: _Server | None = None
        self._port = 0
        # Bound and never listening: holds the port while the server is away, so that nobody else can get it.
        self._holder: socket.socket | None = self._bind()
        self._port = self._holder.getsockname()[1]

    # ------------------------------------------------------------------ what a subclass says
    def answer(self, request: Request) -> Response:
        """The answer to one request; may raise werkzeug's HTTPException."""
        raise NotImplementedError

    def error(self, status: int, message: str) -> Response:
        """The body of an answer that says no, in the form this cloud uses."""
        body = json.dumps({"code": str(status), "message": message})
        # werkzeug writes its own phrases in capitals; SwanLab's SDK compares with "Not Found"
        return Response(body, f"{status} {HTTPStatus(status).phrase}", mimetype="application/json")

    # ------------------------------------------------------------------ life
    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self: Self) -> Self:
        self.come_back()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def come_back(self) -> None:
        """Listen (again). No-op while listening and after close."""
        with self._lock:
            if self._server is not None or self._holder is None:
                return
            with self._bind() as listener:
                listener.listen(128)
                server = self._server = _Server(listener, self._app)
            thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="loopback", daemon=True)
            self._threads.append(thread)
            thread.start()

    def vanish(self) -> None:
        """Refuse connections from now on, and cut those that are open. `come_back()` ends it, on the same port."""
        with self._lock:
            if self._return is not None:
                self._return.cancel()
            if self._server is None:
                return
            server, self._server = self._server, None
            server.shutdown()
            abort(server.socket)  # stops listening even if a child that is just being forked holds a copy
            server.socket.close()
            for connection, thread in list(server.open.items()):
                abort(connection)
                self._threads.append(thread)

    def vanish_for(self, seconds: float) -> None:
        """`vanish()` now and `come_back()` after so many seconds, without waiting here."""
        with self._lock:
            self.vanish()
            self._return = threading.Timer(seconds, self.come_back)
            self._return.daemon = True
            self._threads.append(self._return)
            self._return.start()

    def close(self) -> None:
        """Release what hangs, cut what is open, and end every thread. Idempotent."""
        self._closing.set()
        self.heal()
        self.vanish()
        with self._lock:
            if self._holder is not None:
                self._holder.close()
                self._holder = None
            threads, self._threads = self._threads, []
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(10)

    # ------------------------------------------------------------------ faults
    def fail(
        self,
        pattern: str,
        kind: Kind,
        times: int | None = None,
        *,
        skip: int = 0,
        method: str | None = None,
        body: bytes | None = None,
        seconds: float = 30.0,
        retry_after: float | None = None,
        applied: bool | None = None,
    ) -> Fault:
        """Misbehave to requests whose path matches the regular expression, `times` times (None: until `heal()`).

        kind: an int: that status (with `Retry-After: retry_after` where given)
              "refuse": cut the connection and `vanish_for(seconds)`
              "hang": say nothing for `seconds` or until `release()`; then answer, if the client still waits
              "trickle": the answer's body comes byte by byte over `seconds`
              "cut": the connection ends in the middle of the answer's body, or with `applied=False` of the request's
        skip: let so many matching requests pass first. method: only requests of this method.
        body: only requests whose body matches this regular expression.
        applied: the server takes the request in although the client is not told so (a retry is then a duplicate).
                 Default: for "trickle" and "cut" only.
        """
        taken = kind in ("trickle", "cut") if applied is None else applied
        fault = Fault(pattern, kind, times, skip, method, body, seconds, retry_after, taken)
        with self._lock:
            self._faults.append(fault)
        return fault

    def fail_at_random(
        self, share: float, seed: int, kinds: Sequence[Kind] = (500, 502, 503, 504, "cut"), pattern: str = ""
    ) -> Fault:
        """Misbehave to this share (0 to 1) of the matching requests, each time in one of these ways, until `heal()`.

        A "cut" loses the answer or the request, one as often as the other.
        """
        dice = random.Random(seed)
        fault = Fault(pattern, kinds[0], None, 0, None, None, 30.0, None, False, share=share, kinds=kinds, dice=dice)
        with self._lock:
            self._faults.append(fault)
        return fault

    def heal(self) -> None:
        """Forget all faults and release what hangs in them."""
        with self._lock:
            faults, self._faults = self._faults, []
        for fault in faults:
            fault.release()

    def count(self, pattern: str, status: int | None = None) -> int:
        """How many requests came whose path matches (and that were answered with this status)."""
        return sum(1 for seen in list(self.requests) if re.search(pattern, seen.path) and status in (None, seen.status))

    def wait(self, until: Callable[[], object], seconds: float = 10.0) -> None:
        """Wait for what another process makes true; TimeoutError after so many seconds."""
        end = time.monotonic() + seconds
        while not until():
            if time.monotonic() > end:
                raise TimeoutError(f"not so within {seconds:g} s; the last requests: {self.requests[-5:]}")
            time.sleep(0.02)

    def _fault(self, request: Request) -> Fault | None:
        for fault in list(self._faults):
            if fault.method not in (None, request.method) or not re.search(fault.pattern, request.path):
                continue
            if fault.body is not None and not re.search(fault.body, request.get_data()):
                continue
            with self._lock:
                if fault.kinds:
                    if fault.dice.random() < fault.share:
                        fault.hits += 1
                        kind = fault.dice.choice(fault.kinds)
                        return replace(fault, kind=kind, applied=kind == "cut" and fault.dice.random() < 0.5)
                elif fault.skip > 0:
                    fault.skip -= 1
                elif fault.times is None or fault.hits < fault.times:
                    fault.hits += 1
                    return fault
        return None

    # ------------------------------------------------------------------ one request
    def _app(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        connection: socket.socket = environ["werkzeug.socket"]
        seen = Seen(request.method, request.path, environ["QUERY_STRING"], request.content_length or 0, time.time())
        self.requests.append(seen)
        fault = self._fault(request)
        seen.fault = fault.kind if fault else None
        if fault is not None and fault.kind == "cut" and not fault.applied:
            self._cut(connection)
        request.get_data()
        if fault is None:
            return self._send(seen, self._answer(request), environ, start_response)
        if fault.kind == "refuse":
            if fault.applied:
                self._answer(request)
            self.vanish_for(fault.seconds)
            self._cut(connection)
        response = self._answer(request) if fault.applied else None
        if fault.kind == "hang":
            end = time.monotonic() + fault.seconds
            while time.monotonic() < end and not fault.released.wait(0.02) and not gone(connection):
                pass
            if self._closing.is_set() or gone(connection):
                self._cut(connection)
            return self._send(seen, response or self._answer(request), environ, start_response)
        if isinstance(fault.kind, int):
            failed = self.error(fault.kind, "on command")
            if fault.retry_after is not None:
                failed.headers["Retry-After"] = f"{fault.retry_after:g}"
            return self._send(seen, failed, environ, start_response)
        response = response or self._answer(request)
        body = response.get_data()
        if fault.kind == "cut":
            response.headers["Content-Length"] = str(max(len(body), 2))  # more is promised than will come
            response.response = self._half(body, connection)
            return response(environ, start_response)
        response.response = self._drops(body, fault)
        return self._send(seen, response, environ, start_response)

    def _answer(self, request: Request) -> Response:
        try:
            return self.answer(request)
        except HTTPException as exc:
            return self.error(exc.code or 500, exc.description or exc.name)
        except Exception as exc:
            self.errors.append(f"{request.method} {request.path}\n{traceback.format_exc()}")
            return self.error(500, f"the stand-in failed: {exc!r}")

    def _send(self, seen: Seen, response: Response, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        seen.status = response.status_code
        return response(environ, start_response)

    def _cut(self, connection: socket.socket) -> NoReturn:
        abort(connection)
        raise ConnectionAbortedError  # werkzeug takes it as a connection that was dropped

    def _half(self, body: bytes, connection: socket.socket) -> Iterator[bytes]:
        yield body[: len(body) // 2]
        self._cut(connection)

    def _drops(self, body: bytes, fault: Fault) -> Iterator[bytes]:
        for i in range(len(body)):
            yield body[i : i + 1]
            if self._closing.is_set():
                raise ConnectionAbortedError
            fault.released.wait(fault.seconds / len(body))

    def _bind(self) -> socket.socket:
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(("127.0.0.1", self._port))
        return bound

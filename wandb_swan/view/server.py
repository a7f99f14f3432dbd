"""Serves the page on loopback: to whoever has the token, with nothing that runs in it but its own scripts."""

from __future__ import annotations

import secrets
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Mapping
from mimetypes import guess_type
from pathlib import Path
from typing import Any

import uvicorn
from pydantic import BaseModel, Field
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ..exceptions import WandbSwanError
from . import STATIC, plotly
from .parity import Comparisons
from .runs import JSON, ViewedRun

PLOTLY = "/static/plotly.min.js"
"""For everybody: frames have no cookies, and it is no secret."""
HOSTS = ["127.0.0.1", "localhost"]
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "media-src 'self'; connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_FILE_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; media-src 'self'"
_SHOWN = ("image/", "audio/", "video/")
"""Files that a browser shows; others are downloads."""


class Wanted(BaseModel):
    """The curves that a page asks for."""

    curves: list[tuple[str, str]]
    """Run and key."""
    axis: str = "auto"
    """auto, step, time, relative, or the key of a metric."""
    begin: float | None = None
    end: float | None = None
    most: int = Field(default=1_000, ge=10, le=1_000_000)


class _Pages:
    """The answers of the server."""

    def __init__(self, runs: Mapping[str, ViewedRun], verdicts: Comparisons | None) -> None:
        self._runs = runs
        self._verdicts = verdicts

    def _run(self, request: Request) -> ViewedRun:
        run = self._runs.get(request.path_params["run"])
        if run is None:
            raise HTTPException(404, "there is no such run")
        return run

    def read_all(self) -> None:
        """Reads every run, so that the list is there."""
        for run in self._runs.values():
            run.head()
            run.wait()

    def runs(self, _: Request) -> Response:
        heads = [run.head() if run.begun else run.unread() for run in self._runs.values()]
        return _json({"runs": heads, "parity": self._verdicts is not None})

    def run(self, request: Request) -> Response:
        return _json(self._run(request).detail())

    async def curves(self, request: Request) -> Response:
        from starlette.concurrency import run_in_threadpool

        wanted = Wanted.model_validate_json(await request.body())

        def all_of_them() -> list[Any]:
            found = []
            for name, key in wanted.curves:
                run = self._runs.get(name)
                curve = run and run.points(key, wanted.axis, wanted.begin, wanted.end, wanted.most)
                found.append(curve and curve.shape())
            return found

        return _json(await run_in_threadpool(all_of_them))

    def media(self, request: Request) -> Response:
        return _json(self._run(request).media(request.query_params.get("key", "")))

    def console(self, request: Request) -> Response:
        begin, most = (int(request.query_params.get(name, given)) for name, given in (("begin", "0"), ("most", "2000")))
        return _json(self._run(request).console(max(0, begin), max(0, most)))

    def file(self, request: Request) -> Response:
        file = self._run(request).file(request.path_params["path"])
        return _sent(file)

    def frame(self, request: Request) -> Response:
        """A page of a run, for a frame that can reach nothing."""
        file = self._run(request).file(request.path_params["path"])
        if file is None:
            raise HTTPException(404, "there is no such file")
        home = f"{request.url.scheme}://{request.url.netloc}"
        text = plotly.localized(file.read_bytes().decode("utf-8", "replace"), f"{home}{PLOTLY}")
        policy = (
            "sandbox allow-scripts; default-src 'none'; "
            f"script-src 'unsafe-inline' 'unsafe-eval' blob: {home}{PLOTLY}; "
            "style-src 'unsafe-inline'; img-src data: blob:; font-src data:; media-src data: blob:; worker-src blob:; "
            "frame-ancestors 'self'"
        )
        return Response(text, media_type="text/html", headers={"Content-Security-Policy": policy})

    def parity(self, _: Request) -> Response:
        return _json(self._verdicts.overview() if self._verdicts else None)

    def side_by_side(self, request: Request) -> Response:
        if self._verdicts is None:
            raise HTTPException(404, "nothing was compared")
        asked = request.query_params
        begin, end = (float(asked[name]) if name in asked else None for name in ("begin", "end"))
        return _json(self._verdicts.side_by_side(request.path_params["pair"], asked.get("of", ""), begin, end))

    def parity_file(self, request: Request) -> Response:
        verdicts, given = self._verdicts, request.path_params
        return _sent(verdicts.file(given["pair"], given["side"], given["path"]) if verdicts else None)


def _json(content: Any) -> Response:
    return Response(JSON.dump_json(content, fallback=str), media_type="application/json")


def _sent(file: Path | None) -> Response:
    if file is None:
        raise HTTPException(404, "there is no such file")
    shown = str(guess_type(file.name)[0]).startswith(_SHOWN)
    policy = {"Content-Security-Policy": _FILE_POLICY}
    return FileResponse(file, headers=policy, filename=None if shown else file.name)  # with a name, a download


def _refused(_: Request, error: Exception) -> Response:
    return Response(str(error), 409, media_type="text/plain")


def application(runs: Mapping[str, ViewedRun], token: str, verdicts: Comparisons | None = None) -> Starlette:
    """The server of some runs, for those who have the token (in the address once, then in a cookie)."""
    pages = _Pages(runs, verdicts)

    async def admitted(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        cookie = f"wandb_swan_{request.url.port}"
        given = request.query_params.get("token")
        if given is not None and secrets.compare_digest(given.encode(), token.encode()):
            response: Response = RedirectResponse(request.url.path, 303)
            response.set_cookie(cookie, token, httponly=True, samesite="strict")
        elif request.url.path == PLOTLY or secrets.compare_digest(
            request.cookies.get(cookie, "").encode(), token.encode()
        ):
            response = await answer(request)
        else:
            response = Response("Open the address that `wandb-swan view` printed, with its token.\n", 403)
        response.headers.setdefault("Content-Security-Policy", _PAGE_POLICY)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    from starlette.middleware.base import BaseHTTPMiddleware

    threading.Thread(target=pages.read_all, name="wandb_swan reads runs", daemon=True).start()
    return Starlette(
        routes=[
            Route("/", lambda _: FileResponse(STATIC / "index.html")),
            Route("/api/runs", pages.runs),
            Route("/api/runs/{run}", pages.run),
            Route("/api/curves", pages.curves, methods=["POST"]),
            Route("/api/runs/{run}/media", pages.media),
            Route("/api/runs/{run}/console", pages.console),
            Route("/api/parity", pages.parity),
            Route("/api/parity/{pair:int}", pages.side_by_side),
            Route("/parity/{pair:int}/{side}/{path:path}", pages.parity_file),
            Route("/file/{run}/{path:path}", pages.file),
            Route("/frame/{run}/{path:path}", pages.frame),
            Route(PLOTLY, lambda _: FileResponse(plotly.script_file())),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS),  # a page elsewhere whose name leads here
            Middleware(BaseHTTPMiddleware, dispatch=admitted),
        ],
        exception_handlers={WandbSwanError: _refused, OSError: _refused, ValueError: _refused},
    )


def serve(
    runs: Mapping[str, ViewedRun], port: int, ready: Callable[[str], None], verdicts: Comparisons | None = None
) -> None:
    """Serves until Ctrl-C or SIGTERM.

    Args:
        runs: What is shown.
        port: Where; 0: one that is free.
        ready: Is given the address, token and all, once it answers.
        verdicts: A comparison, for the page of differences.

    Raises:
        WandbSwanError: the port is taken.
    """
    token = secrets.token_urlsafe(18)
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", port))
        except OSError as error:
            raise WandbSwanError(f"port {port} cannot be had ({error.strerror}); give another one, or none") from error
        listening.listen()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/?token={token}"
        config = uvicorn.Config(
            application(runs, token, verdicts), log_level="critical", access_log=False, timeout_graceful_shutdown=1
        )
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # uvicorn raises the signal again when it has ended
        ready(address)
        try:
            uvicorn.Server(config).run(sockets=[listening])
        except KeyboardInterrupt:
            pass
        finally:
            for run in runs.values():
                run.leave()

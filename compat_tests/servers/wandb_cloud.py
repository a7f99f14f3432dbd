"""A loopback W&B that the real wandb client reads from and logs to, over HTTP; everything is kept in memory."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import mimetypes
import time
from collections.abc import Iterable
from typing import Any

import graphql
from werkzeug.exceptions import abort
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from .graphql_operation import Operation, Refused
from .wandb_answers import Answers
from .wandb_runs import CloudFile, CloudRun, Node

__all__ = ["WandbCloud"]


class WandbCloud(Answers):
    """W&B's backend on loopback. In `requests`, the path of a GraphQL request ends in its operation's name
    (`/graphql/HistoryPage`), which `fail()` and `count()` can be told too.

    nan_as_text: history says "NaN" and "Infinity" as text, else bare, as the client sent them.
    flat: nested metrics come back as `a.b`.

    Assumption: history has NaN and the infinities as text or bare, nested metrics as objects or as `a.b`, by the age of the
    run or the server.
    """

    def _app(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/graphql":  # so that faults and the list of requests know the operation
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
            with contextlib.suppress(ValueError, KeyError, graphql.GraphQLError, StopIteration):
                asked = json.loads(body)
                environ["cloud.operation"] = operation = Operation(
                    asked["query"], asked.get("variables"), asked.get("operationName")
                )
                environ["PATH_INFO"] = f"/graphql/{operation.name}"
                self._ask(operation.name, asked.get("variables"))
        else:
            parts = environ["PATH_INFO"].strip("/").split("/")
            reads = environ["REQUEST_METHOD"] in ("GET", "HEAD")
            name = "file_stream" if parts[-1] == "file_stream" else "download" if reads else "upload"
            self._ask(name, parts)
        return super()._app(environ, start_response)

    def error(self, status: int, message: str) -> Response:
        code = {401: "PERMISSION_ERROR", 403: "PERMISSION_ERROR", 404: "NOT_FOUND"}.get(status, "INTERNAL")
        body = {"errors": [{"message": message, "extensions": {"code": code}}], "data": None}
        return Response(json.dumps(body), status, mimetype="application/json")

    def answer(self, request: Request) -> Response:
        parts = request.path.lstrip("/").split("/", 1)
        with self._state:
            if parts[0] == "storage":  # signed URLs: no key needed
                place = request.path.split("/", 2)[2]
                return self._expired(place, request.args.get("signature")) or self._storage(request, place)
            if request.authorization is None or request.authorization.password != self.api_key:
                abort(401, "user is not logged in")
            if parts[0] == "graphql":
                operation: Operation = request.environ.get("cloud.operation") or abort(400, "not a GraphQL request")
                return self._limited() or self._graphql(operation)
            if parts[0] == "files":
                _, _, entity, project, run_id, name = request.path.split("/", 5)
                run = self.runs.get((entity, project, run_id)) or abort(404, f"run {run_id} not found")
                self._allow(entity, project)
                if name == "file_stream":
                    return self._file_stream(request, run)
                if self.redirects and request.method == "GET":
                    return redirect(self._signed("runs", entity, project, run_id, name))
                return self._storage(request, f"runs/{entity}/{project}/{run_id}/{name}")
        abort(404, "not found")

    def _graphql(self, operation: Operation) -> Response:
        def resolve() -> Node:
            data = operation.resolve(self._root(operation.kind), self.lacks)
            self.unknown |= operation.unknown
            return data

        try:
            answer = self._refused(operation.name, resolve) or {"data": resolve()}
        except Refused as refused:
            self.refused.append(f"{operation.name}: {refused}")
            return Response(json.dumps({"errors": refused.errors}), 400, mimetype="application/json")
        return Response(json.dumps(answer), mimetype="application/json")

    def _file_stream(self, request: Request, run: CloudRun) -> Response:
        body = request.get_data()
        news = json.loads(gzip.decompress(body) if request.headers.get("Content-Encoding") == "gzip" else body)
        for stream, chunk in (news.get("files") or {}).items():
            run.write(stream, chunk["offset"], chunk["content"])
        run.heartbeat = time.time()
        if news.get("complete"):
            run.finish(news.get("exitcode") or 0)
        else:
            run.final = None
        return Response(
            json.dumps({"exitcode": None, "limits": {}, "stopped": run.stopped}), mimetype="application/json"
        )

    def _storage(self, request: Request, key: str) -> Response:
        """PUT and GET of bytes, whole or a range of them."""
        kind, _, rest = key.partition("/")
        if kind == "runs":
            entity, project, run_id, name = rest.split("/", 3)
            files = (self.runs.get((entity, project, run_id)) or abort(404, "no such run")).files
            if request.method == "PUT":
                files[name] = CloudFile(request.get_data())
            data = files[name].data if name in files else None
        else:
            if request.method == "PUT":
                self.stored[key] = request.get_data()
            data = self.stored.get(key)
        if data is None:
            abort(404, f"no such file: {key}")
        if request.method == "PUT":
            return Response(status=200, headers={"ETag": hashlib.md5(data).hexdigest()})
        response = Response(data, mimetype=mimetypes.guess_type(key)[0] or "application/octet-stream")
        return response.make_conditional(request.environ, accept_ranges=True, complete_length=len(data))

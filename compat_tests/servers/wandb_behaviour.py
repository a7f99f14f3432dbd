"""How a W&B server may behave: switches for a test, the addresses that it signs, and a count of what it was asked."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from werkzeug.wrappers import Response

from .faults import LoopbackServer
from .wandb_runs import Node


@dataclass(frozen=True)
class Question:
    """One request: a GraphQL operation's name, `download`, `upload` or `file_stream`, and every name that it says."""

    operation: str
    names: frozenset[str]
    at: float


@dataclass
class Refusal:
    """Answers with `errors` under HTTP 200. `hits` counts them."""

    operation: str
    times: int | None
    without: str | None
    message: str
    hits: int = 0


@dataclass
class Signature:
    """What one signed address is good for."""

    place: str
    made: float = field(default_factory=time.time)
    uses: int = 0


class Behaviour(LoopbackServer):
    """The switches. Each says where it is known from: see docs/reliability.md, which is made
    of them."""

    def __init__(self) -> None:
        super().__init__()
        self.page_rows: int | None = None
        """Rows of a page of history at most, however many are asked for.

        Assumption: a server may cap a page of history below what is asked for, and says nothing of it."""
        self.page_nodes: int | None = None
        """Nodes of a page of any other list at most, however many are asked for (`first`).

        Assumption: a server may give fewer nodes of a list than were asked for; `hasNextPage`, `endCursor` stay true."""
        self.lacks: set[str] = set()
        """Fields of types and inputs that this server does not have, as an older one: `Run.parquetHistory`. Asked for
        what it lacks, it refuses the whole question; `__type` does not name it. `features` are those it says it has.

        Seen in the client: servers differ in what they have: wandb asks `__type` (to 0.22) and `serverInfo.features` (from 0.19) before it asks for more."""
        self.null_history_keys = False
        """`historyKeys` is null, for runs that have a history as well.

        Seen in the client: `historyKeys` may be null: `Run.lastHistoryStep` looks whether it is (apis/public/runs.py)."""
        self.live_data = True
        """Whether `parquetHistory.liveData` tells what the exports do not have yet.

        Maintainers: there are servers that do not fill `parquetHistory.liveData` (wandb/wandb pull request 12073)."""
        self.system_keys = False
        """`historyKeys` counts the system metrics among the run's, as `system/<name>`, though no row has them.

        Assumption: W&B counts `system/` keys in `historyKeys` for some runs; for which is not documented."""
        self.redirects = False
        """`/files/<run>/<name>` answers with a redirect to a signed address, where it gives the bytes by itself else.

        Assumption: `/files/` redirects to an object store, or gives the bytes itself."""
        self.url_seconds: float | None = None
        """How long a signed address is good for, from when it was given, in seconds.

        Maintainers: a signed address runs out, and S3 says 403 then (wandb/wandb pull requests 1259, 11215)."""
        self.url_uses: int | None = None
        """How often a signed address is good for. No store counts; a test need not wait so."""
        self.expired = (403, "AccessDenied", "Request has expired")
        """What an object store says of an address that has run out: status, code and message of its XML.

        Assumption: a store that speaks S3 says 403 with `AccessDenied`, Google's 400 with `ExpiredToken`, both in XML."""
        self.rate: tuple[int, float] | None = None
        """So many GraphQL requests in so many seconds, else 429.

        Documented: who logs too often gets 429 with `RateLimit-Remaining` and `RateLimit-Reset` in seconds
        (docs.wandb.ai, support article "rate limit exceeded on metric logging").
        Assumption: reads of GraphQL are limited alike, with these headers or with `Retry-After`; for the latter,
        `fail("/graphql/", 429, retry_after=...)`."""
        self.refused: list[str] = []
        """The operations that the schema refused, with the reason.

        Assumption: what W&B's schema does not know, it refuses with 400 and `errors`, whose messages are those of
        graphql-core (`Cannot query field ...`)."""
        self.questions: list[Question] = []
        self._refusals: list[Refusal] = []
        self._signatures: dict[str, Signature] = {}
        self._window: list[float] = []

    # ------------------------------------------------------------------ what was asked
    def asked(self, operation: str = ".*", run: str | None = None) -> int:
        """How many requests came, of the operations that match this regular expression in full, that name this run
        (its id, in a variable or in an address). A list of runs names none of them.

        `download`, `upload` and `file_stream` are the operations of requests that are not GraphQL.
        """
        return sum(
            re.fullmatch(operation, question.operation) is not None and run in (None, *question.names)
            for question in list(self.questions)
        )

    def operations(self, run: str | None = None) -> dict[str, int]:
        """What `asked()` says, of every operation that came."""
        return {name: n for name in {q.operation for q in list(self.questions)} if (n := self.asked(name, run))}

    def _ask(self, operation: str, said: Any) -> None:
        self.questions.append(Question(operation, frozenset(_texts(said)), time.time()))

    # ------------------------------------------------------------------ answers with errors
    def say_errors(
        self, operation: str, times: int | None = 1, *, without: str | None = None, message: str = "internal error"
    ) -> Refusal:
        """Answer HTTP 200 with `errors` to the operations that match this regular expression in full, so many times
        (None: for good). without: what is null in the data then, as `project.run.events`; None: there is no data.

        Documented: GraphQL's errors come in the body, with what data there is (spec.graphql.org, "Response").
        Assumption: W&B's resolvers that fail for a while answer 200 with errors, beside 5xx.
        """
        self._refusals.append(refusal := Refusal(operation, times, without, message))
        return refusal

    def _refused(self, operation: str, resolve: Callable[[], Node]) -> Node | None:
        """The answer of a refusal, if there is one for this operation."""
        for refusal in self._refusals:
            if re.fullmatch(refusal.operation, operation) and refusal.times != refusal.hits:
                refusal.hits += 1
                path = (refusal.without or "").split(".") if refusal.without else []
                error: Node = {"message": refusal.message, "extensions": {"code": "INTERNAL"}}
                if not path:
                    return {"errors": [error], "data": None}
                data = resolve()
                parent: Any = data
                for part in path[:-1]:
                    parent = (parent or {}).get(part)
                if parent is not None:
                    parent[path[-1]] = None
                return {"errors": [error | {"path": path}], "data": data}
        return None

    # ------------------------------------------------------------------ limits
    def _limited(self) -> Response | None:
        """A 429, where GraphQL was asked too often."""
        if self.rate is None:
            return None
        most, seconds = self.rate
        now = time.time()
        self._window = [at for at in self._window if now - at < seconds]
        if len(self._window) < most:
            self._window.append(now)
            return None
        response = self.error(429, "rate limit exceeded")
        response.headers["RateLimit-Remaining"] = "0"
        response.headers["RateLimit-Reset"] = f"{max(1, round(seconds - (now - self._window[0])))}"
        return response

    # ------------------------------------------------------------------ addresses
    def _at(self, *parts: str) -> str:
        """An address, every part of it percent-encoded."""
        return f"{self.url}/{'/'.join(quote(part, safe='') for part in parts)}"

    def _signed(self, *parts: str) -> str:
        """An address of the object store, good for a while, without any login."""
        key = f"{len(self._signatures):x}"
        self._signatures[key] = Signature("/".join(parts))
        return f"{self._at('storage', *parts)}?signature={key}"

    def _expired(self, place: str, key: str | None) -> Response | None:
        """What the store says to an address that is not, or no longer, good."""
        if self.url_seconds is None and self.url_uses is None:
            return None
        found = self._signatures.get(key or "")
        if found is not None and found.place == place:
            found.uses += 1
            late = self.url_seconds is not None and time.time() - found.made > self.url_seconds
            if not late and (self.url_uses is None or found.uses <= self.url_uses):
                return None
        status, code, message = self.expired
        text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
        return Response(text, status, mimetype="application/xml")

    # ------------------------------------------------------------------ lists
    def _page(self, items: list[Any], first: int | None, after: str | None, node: Callable[[Any], Node | None]) -> Node:
        """One page of a relay connection."""
        start = int(after or 0)
        most = min((n for n in (first, self.page_nodes) if n is not None), default=len(items))
        stop = min(len(items), start + most)
        return {
            "__typename": "Connection",
            "totalCount": len(items),
            "edges": [{"cursor": str(i + 1), "node": node(items[i])} for i in range(start, stop)],
            "pageInfo": {"__typename": "PageInfo", "endCursor": str(stop), "hasNextPage": stop < len(items)},
        }


def _texts(said: Any) -> Iterator[str]:
    if isinstance(said, str):
        yield said
    elif isinstance(said, dict):
        yield from (text for value in said.values() for text in _texts(value))
    elif isinstance(said, list):
        yield from (text for value in said for text in _texts(value))

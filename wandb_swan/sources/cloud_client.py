"""The runs in W&B's cloud (or a self-hosted W&B): the client, its questions and its lists."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from functools import lru_cache, partial
from io import StringIO
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ..exceptions import WandbSwanError
from ..stream.events import RunFinished
from ..stream.times import seconds
from .artifact_entries import without_query
from .reference import RunReference
from .retries import Spoiled, retrying

T = TypeVar("T")

EXITS = {
    "finished": RunFinished(exit_code=0),
    "failed": RunFinished(exit_code=1, reason="W&B says: failed"),
    "crashed": RunFinished(exit_code=1, reason="W&B says: crashed"),
    "killed": RunFinished(exit_code=255, reason="W&B says: killed", interrupted=True),
    "preempted": RunFinished(exit_code=255, reason="W&B says: preempted", interrupted=True),
}
"""The states of a run that has ended, as W&B calls them -> how it ended; a run that was not finished may go on."""
ENDED = frozenset(EXITS)


@lru_cache(maxsize=1)
def api() -> Any:
    """The client, logged in as wandb is here.

    Raises:
        WandbSwanError: there is no login.
    """
    # The client's own tries: 21 with up to a minute between them would be a quarter of an hour for a poisoned run.
    os.environ.setdefault("WANDB__GRAPHQL_RETRY_MAX", "6")
    import wandb

    if not _has_login(wandb):
        raise WandbSwanError("no W&B login: type `wandb login`, or set WANDB_API_KEY")
    return asked("log in to W&B", lambda: wandb.Api(timeout=60))


def _has_login(wandb: Any) -> bool:
    """Whether there is a key, without asking for one: `wandb.Api` would, on a terminal."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    try:
        with redirect_stderr(StringIO()):  # wandb 0.31 warns that `wandb.api` will go
            return bool(wandb.api.api_key)
    except Exception:  # what `wandb.api` is differs between versions
        return True


def asked(what: str, question: Callable[[], T]) -> T:
    """The answer to a question, asked again while W&B is busy.

    Raises:
        WandbSwanError: W&B says no; the text says what to do.
    """
    try:
        return retrying()(question)
    except WandbSwanError:
        raise
    except Spoiled as error:
        raise WandbSwanError(f"cannot {what}: {error}") from error
    except Exception as error:
        text = without_query(str(error))[:300]
        if re.search(r"\b401\b|not logged in|API key|relogin|authentication", text, re.I):
            raise WandbSwanError(f"cannot {what}: W&B does not accept the login; type `wandb login`") from None
        if re.search(r"\b403\b|permission|forbidden|access denied", text, re.I):
            raise WandbSwanError(f"cannot {what}: no permission; ask its owner for access") from None
        if re.search(r"\b404\b|not find|not found|no such", text, re.I):
            raise WandbSwanError(f"cannot {what}: there is none; check the names (--wb-entity, --wb-project)") from None
        raise WandbSwanError(f"cannot {what}: {type(error).__name__}: {text}") from error


def graphql(query: str, variables: dict[str, Any]) -> dict[str, Any]:
    """What W&B answers to a question that its client has no method for. Raises what the client raises."""
    client = api()
    service = getattr(client, "_service_api", None)
    if service is not None:
        return dict(service.execute_graphql(query, variables=variables) or {})
    from wandb.apis.public.api import gql  # up to 0.23 the client sends it itself

    return dict(client.client.execute(gql(query), variable_values=variables) or {})


def server() -> str:
    """Where W&B is: host, port and path of its address. Two servers may have a run of the same path."""
    address = urlsplit(str(api().settings["base_url"]))
    return f"{address.netloc}{address.path.rstrip('/')}"


def login_for(address: str) -> tuple[str, str] | None:
    """What an address is asked with: the key is for W&B alone, not for the bucket that a signed address leads to."""
    client = api()
    own = urlsplit(address).netloc == urlsplit(str(client.settings["base_url"])).netloc
    return ("api", client.api_key) if own and client.api_key else None


def projects(entity: str | None) -> list[str]:
    """The names of an entity's projects. Raises WandbSwanError."""
    return asked(f"list the projects of {entity or 'your entity'}", lambda: [p.name for p in api().projects(entity)])


def run_at(path: str) -> Any:
    """W&B's run with this path, `entity/project/run id`, as its names are spelled: nothing in it is percent-encoded.

    The client reads a path as the address of a page too: it leaves out what looks like the `runs` or `sweeps` of one,
    once each. So a project of such a name is said twice. The client would give what it knows of the run: it is told to
    forget that. Raises what the client raises.
    """
    api().flush()
    entity, project, run_id = path.split("/", 2)
    middle = f"{project}/{project}" if project in ("runs", "sweeps") else project
    return api().run(f"{entity}/{middle}/{run_id}")


def references(
    names: Sequence[str], entity: str | None = None, run_id: str | None = None, *, states: Sequence[str] = ()
) -> list[RunReference]:
    """The runs of some projects, oldest first, or the one with this id.

    Raises:
        WandbSwanError: no login, no such project, no permission, no such run.
    """
    client = api()
    owner = entity or asked("ask for your default entity", lambda: client.default_entity)
    if not owner:
        raise WandbSwanError("whose project? give --wb-entity NAME")
    found: list[RunReference] = []
    for name in names:
        where = f"{owner}/{name}"
        if run_id:
            runs = [asked(f"read the run {where}/{run_id}", partial(run_at, f"{where}/{run_id}"))]
        else:
            runs = asked(f"list the runs of {where}", partial(_runs, where))
        found += [_reference(run) for run in runs if not states or run.state in states]
    return sorted(found, key=lambda reference: reference.started_at)


def every_page(listing: Callable[..., Any], *args: Any, **more: Any) -> list[Any]:
    """Every page of a listing: asked again, it starts again."""
    return list(listing(*args, **more))


def _runs(where: str) -> list[Any]:
    """The runs of a project as W&B has them now: the client would give the list that it gave before."""
    api().flush()
    return every_page(api().runs, where, per_page=100)


def fingerprint(run: Any) -> str:
    """Another one whenever something of wandb's run has changed, as far as a list of runs says it."""
    attributes = run._attrs
    state = (
        *(attributes.get(name) for name in ("state", "heartbeatAt", "historyLineCount", "displayName", "notes")),
        *(run.tags or ()),
    )
    return "|".join(map(str, state))


def _reference(run: Any) -> RunReference:
    attributes = run._attrs
    path = f"{run.entity}/{run.project}/{run.id}"  # the parts of `run.path` are percent-encoded in some versions
    return RunReference(
        kind="cloud",
        source=path,
        origin=path,
        run_id=run.id,
        name=run.name or run.id,
        project=run.project,
        started_at=seconds(attributes.get("createdAt")),
        tags=tuple(run.tags or ()),
        fingerprint=fingerprint(run),
        path=path,
        apart=server(),
        url=run.url or "",
        growing=run.state not in ENDED,
    )

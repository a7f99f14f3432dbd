"""Whether a self-hosted SwanLab server is too old for SwanLab's client: it answers 404 where an endpoint came later."""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from .batches import ask, current_client

log = logging.getLogger("wandb_swan")

_LATER = re.compile(r"/(resources/presigned/put|projects/[^/]+/[^/]+/series|experiment/[^/]+/(columns|files/prepare))$")
"""What SwanLab's client posts media, columns and files to. That they are all there from self-hosted 2.6.2 on is not
documented."""


class OlderServer:
    """Looks at the answers that SwanLab's client gets, whatever it makes of them: up to 0.10.2 it drops the batch."""

    def __init__(self, context: Any) -> None:
        """Raises AttributeError or ImportError where the installed SwanLab is another."""
        self._experiment = f"/project/{context.username}/{context.project}/runs/{context.experiment_id}"
        self._lacks: str | None = None
        hooks = current_client()._session.hooks["response"]
        hooks[:] = [hook for hook in hooks if not isinstance(getattr(hook, "__self__", None), OlderServer)]
        hooks.append(self._look)

    @property
    def said(self) -> str | None:
        """What it lacks, as a sentence; None: nothing that is known."""
        if self._lacks is None:
            return None
        return f"this SwanLab server is older than 2.6.2: it has no {self._lacks}; it has to be updated"

    def _look(self, response: Any, *_: Any, **__: Any) -> None:
        path = urlsplit(response.url).path
        if response.request.method != "POST" or not _LATER.search(path):
            return
        if response.ok and path == self._lacks:
            self._lacks = None
        if response.status_code == 404 and path != self._lacks:
            with suppress(Exception):  # an experiment that was deleted is answered so, too
                ask(self._experiment)
                self._lacks = path
                log.error("%s", self.said)

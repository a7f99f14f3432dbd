"""The files of the artifacts that a run in W&B's cloud logged or used: their manifests, addresses and bytes."""

from __future__ import annotations

import base64
import json
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path as FilePath
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import requests

from ..stream.events import Artifact, NotRead
from .artifact_entries import Absent, Entry, entry_of, told
from .artifact_files import BroughtArtifacts
from .cloud_client import api, graphql, login_for
from .downloads import has_expired, opened
from .retries import Spoiled, is_refusal, may_pass, retrying
from .selection import Options

log = logging.getLogger("wandb_swan")

ADDRESSES = 100
"""So many addresses are asked for at once: they are signed, and expire after some time."""
_OF_HISTORY = frozenset({"wandb-history", "wandb-events"})
"""Types of the artifacts in which W&B keeps a run's rows and samples, which are there as such."""
_MANIFEST = """
query ArtifactManifest($id: ID!) { artifact(id: $id) { currentManifest { file { directUrl } } } }
"""


UNLISTED = "artifacts that wandb's client cannot list, since one is not whole in W&B: a newer wandb can"


def artifacts_of(listing: Callable[[], Any]) -> tuple[list[Any], bool]:
    """The artifacts of a run, and whether these are all. Raises what the client raises.

    wandb's client fails on one that is pending, and leaves out those whose project is gone (0.19 to 0.31).
    """
    pages = listing()
    convert = getattr(pages, "_convert", None)
    if convert is not None:  # from 0.27 on; before, a page is made at one stroke

        def patiently(node: Any) -> Any:
            try:
                return convert(node) or _as_listed(node)
            except AssertionError:
                return _as_listed(node)

        pages._convert = patiently
    items: list[Any] = []
    try:
        for item in pages:
            items.append(item)
    except AssertionError:
        return items, False
    return items, True


def _as_listed(node: Any) -> SimpleNamespace:
    """What wandb's client would say of an artifact that it makes no object of."""
    return SimpleNamespace(
        id=node.id,
        name=f"{node.artifact_sequence.name}:v{node.version_index}",
        type=node.artifact_type.name,
        state=node.state,
        aliases=[one.alias for one in node.aliases or ()],
        digest=node.digest,
        description=node.description,
        size=node.size,
        file_count=node.file_count,
        entity="",
        project="",
    )


class CloudArtifacts:
    """The artifacts of one run."""

    def __init__(self, options: Options, on_contents: Callable[[tuple[Any, ...]], None]) -> None:
        """`on_contents` is told name, digest, whether used, and W&B's manifest of each artifact, as JSON."""
        self.files = BroughtArtifacts(options)
        self._on_contents = on_contents
        self._session = requests.Session()

    def of(self, artifact: Artifact, item: Any) -> Iterator[Artifact | NotRead]:
        """Brings the files of one artifact. `item` is wandb's object."""
        if artifact.is_table or artifact.type in _OF_HISTORY:
            yield artifact
            return
        state = str(getattr(item, "state", "") or "COMMITTED").rpartition(".")[2].upper()
        count = int(getattr(item, "file_count", 0) or 0)
        if state != "COMMITTED":
            yield from self.files.left_out(artifact, f"artifact without files: W&B has it as {state.lower()}", count)
            return
        if self.files.over(artifact):
            yield from self.files.too_large(artifact, artifact.size or 0, count)
            return
        try:
            manifest = read_manifest(str(item.id))
            entries = [entry_of(path, entry) for path, entry in manifest["contents"].items()]
        except Exception as error:
            why = f"its manifest cannot be read: {told(error)}"
            if _stays(error):
                yield from self.files.left_out(artifact, f"artifact without files: {why}", count)
            else:
                yield self.files.later(artifact, why, count)
            return
        self._on_contents((artifact.name, artifact.digest, artifact.used, manifest))
        name, _, version = artifact.name.rpartition(":")
        place = (item.entity or "-", item.project or "-", name or artifact.name, version if name else "v0")
        wanted = [entry.path for entry in entries if not entry.ref]
        fetch = _Downloads(item, manifest, wanted, self._session).fetch
        yield from self.files.of(artifact, place, entries, fetch)


def read_manifest(artifact_id: str) -> dict[str, Any]:
    """The manifest of an artifact, as JSON.

    Not by wandb's client: that takes an error page for one (0.22), or tries for twenty minutes (0.31).

    Raises:
        Absent: W&B has none.
        requests.RequestException, ValueError, and what the client raises: it cannot be read.
    """
    answer = retrying()(graphql, _MANIFEST, {"id": artifact_id})
    file = ((answer.get("artifact") or {}).get("currentManifest") or {}).get("file") or {}
    address = file.get("directUrl")
    if not address:
        raise Absent("W&B has none")
    manifest = json.loads(retrying()(_content, address))
    if not isinstance(manifest, dict) or not isinstance(manifest.get("contents"), dict):
        raise Absent("it is none")
    return manifest


def _stays(error: Exception) -> bool:
    """Whether another try would be told the same: there is none, it is broken, or W&B says no."""
    return isinstance(error, Absent | ValueError) or (is_refusal(error) and not may_pass(error))


def _content(address: str) -> bytes:
    with opened(address) as response:
        return response.content


class _Downloads:
    """The files of one artifact, by addresses that W&B signs."""

    def __init__(self, item: Any, manifest: dict[str, Any], wanted: list[str], session: requests.Session) -> None:
        """`wanted` are the paths in the manifest."""
        self._item = item
        self._config = manifest.get("storagePolicyConfig") or {}
        self._wanted = wanted
        self._places = {path: at for at, path in enumerate(wanted)}
        self._session = session
        self._addresses: dict[str, str] = {}
        self._lock = threading.Lock()
        self._base = str(api().settings["base_url"]).rstrip("/")

    def fetch(self, entry: Entry, part: FilePath) -> None:
        """Writes a file, going on where `part` ends. An address that has expired is asked for again."""
        fresh = False
        while True:
            had = part.stat().st_size if part.exists() else 0
            try:
                self._get(self._address(entry, fresh=fresh), entry, part)
                return
            except requests.HTTPError as error:
                came = part.stat().st_size if part.exists() else 0
                if error.response is not None and error.response.status_code == 416:
                    part.unlink(missing_ok=True)
                    raise Spoiled("what was there before is no beginning of it") from None
                if not has_expired(error) or (fresh and came == had):
                    raise
                fresh = True

    def _address(self, entry: Entry, *, fresh: bool) -> str:
        with self._lock:
            if fresh:
                self._addresses.pop(entry.path, None)
            if entry.path not in self._addresses:
                # The order is random: those around it in the list are wanted, too, sooner or later.
                at = self._places.get(entry.path, 0)
                names = [entry.path] if fresh else self._wanted[at : at + ADDRESSES]
                try:
                    listed = list(self._item.files(names=names, per_page=len(names)))
                except Exception as error:
                    if may_pass(error):
                        raise
                    log.info("%s: W&B does not list its files: %s", self._item.name, told(error))
                    listed = []
                self._addresses |= dict.fromkeys((*names, entry.path), "")  # of what it does not list
                self._addresses |= {file.name: _url(file) for file in listed}
            return self._addresses.get(entry.path) or self._by_content(entry)

    def _by_content(self, entry: Entry) -> str:
        """Where W&B's API has a content, for files that it does not list (`wandb_storage_policy.py` of its client)."""
        digest = base64.b64decode(entry.digest).hex()
        entity = quote(self._item.entity, safe="")
        if self._config.get("storageLayout") == "V2":
            region = quote(self._config.get("storageRegion") or "default", safe="")
            return f"{self._base}/artifactsV2/{region}/{entity}/{quote(entry.birth, safe='')}/{digest}"
        return f"{self._base}/artifacts/{entity}/{digest}"

    def _get(self, address: str, entry: Entry, part: FilePath) -> None:
        had = part.stat().st_size if part.exists() else 0
        # As it is stored: where a server packs it for the way, ranges are those of the packed file.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={had}-"} if had else {})
        with opened(address, session=self._session, headers=headers, auth=login_for(address)) as response:
            goes_on = response.status_code == 206
            if goes_on and not response.headers.get("Content-Range", "").startswith(f"bytes {had}-"):
                part.unlink(missing_ok=True)
                raise Spoiled("another part came than was asked for")
            came = had if goes_on else 0
            with part.open("ab" if goes_on else "wb") as out:
                for chunk in response.iter_content(1 << 20):
                    came += len(chunk)
                    if entry.size is not None and came > entry.size:
                        break  # it is not the file: nobody needs to see how long it goes on
                    out.write(chunk)
            if entry.size is not None and came > entry.size:
                part.unlink(missing_ok=True)
                raise Spoiled(f"more than {entry.size} bytes arrived")


def _url(file: Any) -> str:
    attributes = getattr(file, "_attrs", {})
    direct = attributes.get("directUrl") or attributes.get("direct_url")
    return str(direct or file.url or "")

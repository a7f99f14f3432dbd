"""SwanLab's limits, met before SwanLab sees a value.

Source, at 0.10.3: `sdk/internal/pkg/constraints`, `sdk/internal/run/fmt.py`, `RecordBuilder`.

Nothing here drops or merges: what has to change gets a short hash of the original, so that two originals never
become one.
"""

from __future__ import annotations

import hashlib
import io
import re
from typing import Any

from ..stream.events import Path, RunChanged, RunStarted

PROJECT_LENGTH = 100
WORKSPACE_LENGTH = 25
NAME_LENGTH = 512
DESCRIPTION_LENGTH = 1024
TAGS = 30
TAG_LENGTH = 512
KEY_LENGTH = 512
LAST_STEP = (1 << 48) - 1
MEDIA_BYTES = 10 * 1024**2
MEDIA_ITEMS = 108
TABLE_BYTES = 100 * 1024**2
"""Not SwanLab's: what is stored of the media in the cells of one table, each time that it is logged."""
CONSOLE_LENGTH = 4096

_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_EDGES = " \t\n\r./"
_SYSTEM_KEY = "__swanlab__."


def clean_text(text: str) -> str:
    """`text` as valid Unicode: JSON can spell lone surrogates, which no file and no protobuf can hold."""
    return _SURROGATE.sub("\ufffd", text)


def config_text(text: str) -> str:
    """`text` as SwanLab's config can hold it: PyYAML writes U+0085 as a line break, and reads a blank or a newline."""
    return clean_text(text).replace("\x85", " ")


def _digest(original: str) -> str:
    return hashlib.sha256(original.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _cut(text: str, length: int) -> str:
    """At most `length` characters, the last one an ellipsis where something is missing."""
    return text if len(text) <= length else text[: length - 1] + "…"


def project(name: str) -> str:
    """A SwanLab project name, `[0-9A-Za-z_\\-+.]{1,100}`. Spaces and slashes become `-`; lost letters leave a hash."""
    fitted = re.sub(r"[ /\\:]", "-", name.strip())
    kept = re.sub(r"[^0-9A-Za-z_\-+.]+", "-", fitted)
    if kept == fitted and 0 < len(kept) <= PROJECT_LENGTH:
        return kept
    kept = kept.strip("-")[: PROJECT_LENGTH - 9]
    return f"{kept or 'project'}-{_digest(name)}" if name.strip() else "uncategorized"


def workspace(name: str) -> str:
    """A SwanLab workspace name, `[0-9A-Za-z_-]{1,25}`, as near as it comes."""
    return re.sub(r"[^0-9A-Za-z_-]+", "-", name.strip())[:WORKSPACE_LENGTH]


def name(text: str) -> str | None:
    """A run name, group or job type: 1 to 512 characters, or None."""
    return _cut(clean_text(text), NAME_LENGTH) or None


def description(text: str) -> str | None:
    """A description: 1 to 1024 characters, or None."""
    return _cut(clean_text(text), DESCRIPTION_LENGTH) or None


def tags(texts: tuple[str, ...]) -> list[str]:
    """At most 30 tags of at most 512 characters."""
    return [_cut(clean_text(text), TAG_LENGTH) for text in texts if text][:TAGS]


def described(run: RunStarted | RunChanged) -> dict[str, Any]:
    """A run's name, notes, tags, group and job type as SwanLab takes them, by SwanLab's words for them.

    A run of a sweep that has no group is in the sweep's.
    """
    return {
        "name": name(run.name),
        "description": description(run.notes),
        "tags": tags(run.tags),
        "group": name(run.group or getattr(run, "sweep_id", "")),
        "job_type": name(run.job_type),
    }


def run_id(text: str) -> str:
    """A run id: 1 to 512 characters without `<>:"/\\|?*#%` and control characters."""
    fitted = re.sub(r'[<>:"/\\|?*#%\x00-\x1f\x7f\ud800-\udfff]', "_", text)
    if fitted == text and 0 < len(text) <= NAME_LENGTH:
        return text
    return f"{fitted[: NAME_LENGTH - 9]}_{_digest(text)}"


def _trimmed(text: str) -> str:
    """`text` without white space, dots and slashes at either end, in whatever order they come."""
    while (inner := text.strip().strip(_EDGES)) != text:
        text = inner
    return text


def metric_key(text: str) -> str:
    """A metric key that SwanLab keeps as it is: 1 to 512 characters, no control characters, clean edges.

    A valid key is itself, so the function is idempotent. Any other key gets a hash of the original at its end.
    """
    if (
        0 < len(text) <= KEY_LENGTH
        and text[0] not in _EDGES
        and text[-1] not in _EDGES
        and not text.startswith(_SYSTEM_KEY)
        and text.isprintable()
    ):
        return text
    if text.startswith(_SYSTEM_KEY):
        return metric_key(f"_{text}"[: KEY_LENGTH - 9] + f"~{_digest(text)}")
    fitted = _CONTROL.sub("_", clean_text(text))
    if fitted == text and text.strip(_EDGES) == text and 0 < len(text) <= KEY_LENGTH and text.strip() == text:
        return text
    fitted = _trimmed(_trimmed(fitted)[: KEY_LENGTH - 9])
    return f"{fitted or 'metric'}~{_digest(text)}"


def kind_of(media: Any) -> str:
    """The kind of one of SwanLab's media objects, for its key: image, audio, ..."""
    return type(media).__name__.lower()


def size_of(media: Any) -> int:
    """The bytes of one of SwanLab's media objects, as SwanLab 0.10 holds them."""
    buffer = getattr(media, "buffer", None)
    if isinstance(buffer, io.BytesIO):
        return int(buffer.getbuffer().nbytes)
    return len(getattr(media, "content", "") or getattr(media, "json_content", ""))


class KeyNames:
    """The SwanLab key of every metric of a run: one name for one (path, kind), never two for one name.

    `kind` is scalar, text, image, ...: SwanLab gives a key its first kind for good, so a second kind under the same
    key gets a name of its own, `acc (text)`.
    """

    def __init__(self) -> None:
        self._names: dict[tuple[Path, str], str] = {}
        self._owners: dict[str, tuple[Path, str]] = {}

    def get(self, path: Path, kind: str) -> str | None:
        """The name, if this metric has one already."""
        return self._names.get((path, kind))

    def name(self, path: Path, kind: str) -> str:
        """The name, chosen at the first call. Nested keys are joined by `/`."""
        owner = (path, kind)
        known = self._names.get(owner)
        if known is not None:
            return known
        joined = "/".join(path)
        candidate = metric_key(joined)
        if candidate in self._owners and self._owners[candidate][0] == path:
            candidate = metric_key(f"{joined} ({kind})")
        attempt = 0
        while candidate in self._owners:
            attempt += 1
            original = "\0".join([*path, kind, str(attempt)])
            candidate = f"{candidate.partition('~')[0][: KEY_LENGTH - 9]}~{_digest(original)}"
        self._names[owner] = candidate
        self._owners[candidate] = owner
        return candidate

    def changed(self) -> dict[str, str]:
        """SwanLab key -> wandb's key, nested keys joined by a dot, for the metrics that are not called the same."""
        return {name: clean_text(".".join(path)) for name, (path, _) in self._owners.items() if name != "/".join(path)}

"""Parity: what wandb recorded of a run against what SwanLab holds of it."""

from __future__ import annotations

from .cloud import CloudStored
from .matching import Depth, Matcher
from .parts import compare_parts
from .recorded import Recorded
from .report import Parity
from .stored import StoredRun


def compare_runs(
    recorded: Recorded,
    stored: StoredRun | CloudStored,
    source: str,
    *,
    depth: Depth = "full",
    system: bool = False,
    same_source: bool = False,
) -> Parity:
    """Compares what a source recorded with what SwanLab stored, in both directions.

    Args:
        recorded: What the source says.
        stored: What SwanLab has.
        source: How the source is called.
        depth: `full` looks into the content of everything; `fast` compares the counts, steps, times and numbers of all,
            and of media, texts and files the content of a sample.
        system: Whether SwanLab should have system metrics. If not, they are compared where it has any: it watches a
            live run by itself.
        same_source: Whether the SwanLab run was made from this source: then it has its name, notes, tags, group, job
            type, state and times. W&B's server may have other ones than a run's folder.
    """
    not_compared: list[str] = []
    if isinstance(stored, CloudStored):
        depth = "counts"
        not_compared += stored.unreadable
    matcher = Matcher(recorded, stored, depth)
    metrics = list(matcher.metrics(system=system))
    about = recorded.about
    if not same_source:
        not_compared.append("state and times, and names that W&B's server gave: the SwanLab run was not made from this")
    return Parity(
        run_id=about.get("id", ""),
        name=about.get("name") or about.get("id", ""),
        wandb=source,
        swanlab=str(stored.dir),
        depth=depth,
        metrics=tuple(sorted(metrics, key=lambda metric: (metric.kind, metric.metric))),
        parts=tuple(compare_parts(recorded, stored, matcher, depth=depth, same_source=same_source)),
        state=stored.state,
        short=recorded.short,
        not_mirrored=tuple(
            f"{item['key']}: {item['reason']} ({item['count']})" for item in stored.metadata.get("not_mirrored") or []
        ),
        not_compared=tuple(not_compared),
    )

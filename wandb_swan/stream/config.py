"""The rules of wandb's config: what a change sets and removes, and the part of it that is wandb's own.

Source: `wandb/sdk/wandb_config.py` (`Config.update`), `wandb/sdk/interface/interface.py` (`_make_config`) and wandb's
core, `core/internal/runconfig` (`ApplyChangeRecord`, `AddInternalData`, `MergeResumedConfig`), read at 0.31:

    setting a key replaces what is under it, dicts whole: `run.config` is what a user reads, and it is that. The core
        merges dicts leaf by leaf into the config that W&B's server gets: {"x": 1}, then {"y": 2}, are {"x": 1, "y": 2}
        on W&B's page, and {"y": 2} in `run.config` and in SwanLab
    a dict without keys is a value of `run.config`, while the core drops it
    removing a path that is not there does nothing. No client of wandb removes: `remove` is in the protocol alone
    `config_exclude_keys` and `config_include_keys` of `wandb.init` choose before there is a record
    top level `_wandb` is wandb's own: versions and telemetry (`t`), metrics (`m`), environment (`e`), charts
        (`visualize`, `viz`) and the class names of masks (`mask/class_labels`). It is no config of the user's

The summary follows the same rules (`core/internal/runsummary`); its `_wandb` holds the run's duration.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from . import nested
from .events import ChartDefined, ConfigChanged, MaskLabels, Path, SummaryChanged, Tree

OWN = "_wandb"
"""The top-level key of wandb's own part."""


def apply(tree: Tree, event: ConfigChanged | SummaryChanged) -> None:
    """Applies a change of the config or the summary: first what it removes, then what it sets."""
    for path in event.remove:
        nested.remove(tree, path)
    for path, value in event.update:
        nested.replace(tree, path, value)


def is_own(path: Path) -> bool:
    """Whether a value is in wandb's own part."""
    return path[0] == OWN


def without_own(tree: Mapping[str, Any]) -> Tree:
    """A config or summary as the user made it."""
    return {key: value for key, value in tree.items() if key != OWN}


def own_part(raw: Mapping[str, Any]) -> Tree:
    """wandb's own part of a whole config; W&B's server has every value in a dict, under `value`."""
    part = raw.get(OWN)
    if isinstance(part, dict) and isinstance(part.get("value"), dict):
        part = part["value"]
    return part if isinstance(part, dict) else {}


def own_part_at(path: Path, value: Any) -> Tree:
    """wandb's own part with nothing in it but the value at `path`, which begins with `_wandb`."""
    for key in reversed(path[1:]):
        value = {key: value}
    return value if isinstance(value, dict) else {}


def own_events(part: Mapping[str, Any]) -> Iterator[ChartDefined | MaskLabels]:
    """The specs of charts and the class names of masks in wandb's own part of a config."""
    yield from _charts(part.get("visualize"))
    yield from _panels(part.get("viz"))
    yield from _mask_labels(part.get("mask/class_labels"))


def _charts(visualize: Any) -> Iterator[ChartDefined]:
    """`wandb.plot.CustomChartSpec.config_value`, by the key of the chart."""
    for key, panel in _dicts(visualize):
        config = panel.get("panel_config")
        if not isinstance(config, dict):
            continue
        fields, strings = config.get("fieldSettings"), config.get("stringSettings")
        yield ChartDefined(
            key=key,
            spec=str(config.get("panelDefId") or ""),
            table_key=_table_key(config.get("userQuery")) or f"{key}_table",
            fields=fields if isinstance(fields, dict) else {},
            strings=strings if isinstance(strings, dict) else {},
        )


def _panels(viz: Any) -> Iterator[ChartDefined]:
    """`wandb.visualize`, as the scikit-learn integration uses it: the columns of the table have fixed names."""
    for key, panel in _dicts(viz):
        yield ChartDefined(key=key, spec=str(panel.get("id") or ""), table_key=key, fields={}, strings={})


def _table_key(query: Any) -> str | None:
    """The argument `tableKey` of a chart's query, wherever it is in it."""
    if isinstance(query, dict):
        if query.get("name") == "tableKey" and isinstance(query.get("value"), str):
            return str(query["value"])
        query = list(query.values())
    if isinstance(query, list):
        return next((key for item in query if (key := _table_key(item))), None)
    return None


def _mask_labels(singletons: Any) -> Iterator[MaskLabels]:
    """`Run._add_singleton("mask/class_labels", "<key>_wandb_delimeter_<layer>", ...)`."""
    for name, item in _dicts(singletons):
        key, _, layer = name.partition("_wandb_delimeter_")
        if isinstance(item.get("value"), dict):
            yield MaskLabels(key=key, layer=layer, labels={str(k): str(v) for k, v in item["value"].items()})


def _dicts(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        yield from ((str(key), item) for key, item in value.items() if isinstance(item, dict))

"""wandb's own part of a run's config: what it says of charts and masks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import nested
from .events import ChartDefined, ConfigChanged, MaskLabels, SummaryChanged, Tree


def apply(tree: Tree, event: ConfigChanged | SummaryChanged) -> None:
    """Applies a change of the config or the summary."""
    for path in event.remove:
        nested.remove(tree, path)
    for path, value in event.update:
        nested.replace(tree, path, value)


def own_config(tree: Tree) -> Iterator[ChartDefined | MaskLabels]:
    """The specs of charts and the class names of masks in wandb's own part of a config."""
    yield from _charts(tree.get("visualize"))
    yield from _panels(tree.get("viz"))
    yield from _mask_labels(tree.get("mask/class_labels"))


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

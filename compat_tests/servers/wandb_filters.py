"""Which runs a query means, and their order: W&B's MongoDB-like filters."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from typing import Any

from .wandb_runs import CloudRun, moment


def matches(run: CloudRun, query: dict[str, Any]) -> bool:
    """Whether a run fits a filter in MongoDB's language, as far as W&B documents it."""
    for key, wanted in query.items():
        if key in ("$and", "$or", "$nor"):
            found = [matches(run, part) for part in wanted]
            if not {"$and": all(found), "$or": any(found), "$nor": not any(found)}[key]:
                return False
            continue
        tests = wanted if isinstance(wanted, dict) and any(k.startswith("$") for k in wanted) else {"$eq": wanted}
        if not all(fits(run.value(key), operator, operand, key) for operator, operand in tests.items()):
            return False
    return True


def fits(value: Any, operator: str, operand: Any, key: str) -> bool:
    if operator in ("$ne", "$nin"):
        return not fits(value, {"$ne": "$eq", "$nin": "$in"}[operator], operand, key)
    if operator == "$not":
        return not all(fits(value, o, x, key) for o, x in operand.items())
    if operator == "$exists":
        return (value is not None) == bool(operand)
    if operator == "$in":
        return any(fits(value, "$eq", one, key) for one in operand)
    if operator == "$all":
        return all(fits(value, "$eq", one, key) for one in operand)
    if operator == "$regex":
        return isinstance(value, str) and re.search(operand, value) is not None
    if key in ("created_at", "createdAt", "heartbeat_at", "heartbeatAt"):
        value, operand = moment(value), moment(operand)
    if operator == "$eq":
        return operand == value or (isinstance(value, list) and operand in value)
    with contextlib.suppress(TypeError):
        return {"$gt": value > operand, "$gte": value >= operand, "$lt": value < operand, "$lte": value <= operand}[
            operator
        ]
    return False


def ordered(runs: Iterable[CloudRun], order: str | None) -> list[CloudRun]:
    name = (order or "+created_at").lstrip("+-")

    def rank(run: CloudRun) -> tuple[bool, Any]:
        value = run.created if name in ("created_at", "createdAt") else run.value(name)
        return (value is None, 0 if value is None else value)

    return sorted(runs, key=rank, reverse=(order or "").startswith("-"))

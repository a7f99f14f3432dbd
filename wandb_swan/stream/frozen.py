"""JSON values that are checked once and cannot be changed afterwards: what the events of a run hold.

They are dicts and lists to everything that reads them (`isinstance`, `json`, `==`), and refuse to be written to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from .nested import Path

_PLAIN = frozenset({float, int, str, bool, type(None)})
_TEXT = frozenset({str})
NUMBERS = frozenset({float, int, bool})
"""The types of a plain number in JSON."""


def _refuse(self: Any, *given: Any, **named: Any) -> NoReturn:
    raise TypeError("the values of an event cannot be changed")


class FrozenDict(dict[str, Any]):
    """A dict of frozen values. `dict(it)` is a copy that can be changed, one level deep."""

    __slots__ = ()
    __setitem__ = __delitem__ = __ior__ = update = setdefault = _refuse
    pop = popitem = clear = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)


class FrozenList(list[Any]):
    """A list of frozen values."""

    __slots__ = ()
    __setitem__ = __delitem__ = __iadd__ = __imul__ = append = extend = insert = _refuse
    pop = remove = clear = sort = reverse = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (list(self),)


def frozen(value: Any) -> Any:
    """A JSON value that cannot be changed: of what is nested, a copy. Lone surrogates in a text are left alone.

    Raises:
        ValueError: it is no JSON value.
    """
    if type(value) in _PLAIN or isinstance(value, str | int | float):
        return value
    if isinstance(value, dict):
        return frozen_tree(value)
    if isinstance(value, list | tuple):
        return FrozenList(value if _PLAIN.issuperset(map(type, value)) else map(frozen, value))
    raise ValueError(f"{type(value).__name__} is no JSON value")


def frozen_tree(given: Any) -> FrozenDict:
    """A dict of JSON values that cannot be changed.

    The check of an ordinary row runs in C: a million values of it cost a tenth of a second.

    Raises:
        ValueError: it is no dict, a key is no text, a value is no JSON value.
    """
    if not isinstance(given, Mapping):
        raise ValueError(f"{type(given).__name__} is no dict of JSON values")
    if not _TEXT.issuperset(map(type, given)) and not all(isinstance(key, str) for key in given):
        raise ValueError("a key is no text")
    if _PLAIN.issuperset(map(type, given.values())):
        return FrozenDict(given)
    return FrozenDict({key: frozen(value) for key, value in given.items()})


def checked_path(given: Any) -> Path:
    """The path as a tuple of texts, one at least. Raises ValueError."""
    path = tuple(given) if isinstance(given, list | tuple) else ()
    if not path or not all(isinstance(key, str) for key in path):
        raise ValueError(f"{given!r} is no path")
    return path


def checked_paths(given: Any) -> tuple[Path, ...]:
    """Several paths. Raises ValueError."""
    return tuple(map(checked_path, given))


def checked_settings(given: Any) -> tuple[tuple[Path, Any], ...]:
    """Paths with the values that are set there, frozen. Raises ValueError."""
    return tuple((checked_path(path), frozen(value)) for path, value in given)


def checked_columns(given: Any) -> tuple[tuple[float, ...], ...]:
    """Columns of numbers. Raises ValueError."""
    columns = tuple(map(tuple, given))
    for column in columns:
        if not NUMBERS.issuperset(map(type, column)):
            raise ValueError("a value is no number")
    return columns

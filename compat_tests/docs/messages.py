"""Collects from the source every sentence that the package may say to its users, as a template: `<>` is what varies.

No list of them is kept by hand. Every literal of the package that reads as a sentence is one, but for those in places
that do not speak to users: docstrings, the mirror's own log, descriptions of options, patterns.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "wandb_swan"
HOLE = "<>"
"""What varies in a sentence."""
WORDS = 3
"""From so many words on a literal is a sentence."""

_SILENT_CALLS = frozenset(
    {
        *("debug", "info", "warning", "error", "exception"),  # the mirror's log
        *("compile", "sub", "search", "match", "fullmatch", "split", "findall"),  # patterns
        *("option", "version_option", "add_argument", "add_parser", "_switch", "Allowed", "Field"),  # descriptions
        *("CDLL", "query", "_query", "gql", "add_column", "join", "fromisoformat", "strftime"),
    }
)
_INTERNAL_ERRORS = frozenset(
    {"ValueError", "TypeError", "RuntimeError", "AssertionError", "AttributeError", "KeyError"}
)


NOT_SAID = re.compile(
    r"default-src|sandbox|wandb_swan reads a run|%\(asctime\)s|%Y%m|DELETE FROM|Plotly\.newPlot|hiragino|import wandb_swan as"  # for machines
    r"|An extra of|Bring it to|Print the|The version of|<> Besides these"  # descriptions, in constants
    r"|made by wandb-swan sidecar|read back by the mirror|did you mean$|online \(or cloud\)"  # parts, and file contents
)
"""How literals begin that read as sentences and that nobody is told."""


def _literals(node: ast.AST) -> Iterator[tuple[str, int]]:
    """The texts of a tree in places that speak, and their lines."""
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name in _SILENT_CALLS or name in _INTERNAL_ERRORS:
            if name == "join" and isinstance(node.func, ast.Attribute):
                for argument in node.args:
                    yield from _literals(argument)
            return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # a docstring
    if isinstance(node, ast.Assert):
        return
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield node.value, node.lineno
        return
    if isinstance(node, ast.JoinedStr):
        text = ""
        for part in node.values:
            if isinstance(part, ast.Constant):
                text += str(part.value)
            else:
                text += HOLE
                yield from _literals(part)
        yield text, node.lineno
        return
    for child in ast.iter_child_nodes(node):
        yield from _literals(child)


def template(text: str) -> str:
    """The sentence alone: `{}` of `str.format` are holes, holes that follow each other are one, no punctuation around it."""
    text = re.sub(r"\[/?(red|green|yellow|bold)?\]", "", text)  # how rich is told colours
    text = re.sub(r"%[sdr]|\{\w*(:[^{}]*)?\}", HOLE, " ".join(text.split()))
    text = re.sub(r"<[^<>]*>", HOLE, text)  # what the user is to fill in
    return re.sub(rf"({HOLE})+", HOLE, text).strip(" ;:,")


def is_sentence(text: str, words: int = WORDS) -> bool:
    """Whether a literal reads as one."""
    found = re.findall(r"(?<![\w./<-])[A-Za-z][A-Za-z']*(?![\w/=(<])", text)
    code = re.search(r"^(import|from) \w+( import|,|;)|function|^query ", text) or NOT_SAID.match(text)
    return len(found) >= words and not code


def messages(words: int = WORDS) -> dict[str, list[str]]:
    """Template -> the places (`folder/file.py:line`) of the sentences, of so many words at least."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for sentence, line in said_by(path.read_text("utf-8"), words):
            found[sentence].append(f"{path.relative_to(PACKAGE)}:{line}")
    return dict(sorted(found.items()))


def said_by(source: str, words: int = WORDS) -> Iterator[tuple[str, int]]:
    """The templates of the sentences of one module, with their lines."""
    for text, line in _literals(ast.parse(source)):
        sentence = template(text)
        if is_sentence(sentence, words) and "</" not in text:  # a page is no sentence
            yield sentence, line

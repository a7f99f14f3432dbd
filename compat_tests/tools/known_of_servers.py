"""What docs/reliability.md says of both clouds, from the docstrings of the stand-ins: documented, told, seen, assumed.

`python -m compat_tests.tools.known_of_servers docs/reliability.md` writes it anew.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

SERVERS = Path(__file__).parent.parent / "servers"
KINDS = {
    "Documented": "Documented",
    "Maintainers": "Written by their maintainers",
    "Seen in the client": "Seen in their clients, whose servers must do so",
    "Assumption": "Assumed by our stand-ins: no document, no maintainer and no client says so",
}
CLOUDS = {"W&B": "wandb", "SwanLab": "swanlab"}
BLOCK = re.compile(r"(<!-- known of the servers -->\n).*?(<!-- end of what is known -->)", re.S)
_SAID = re.compile(rf"\b({'|'.join(KINDS)}): (.*?)(?=\s(?:{'|'.join(KINDS)}): |\n\s*\n|\Z)", re.S)


def texts(path: Path) -> Iterator[str]:
    """The docstrings of a module, of its classes, functions and attributes; of a schema, the comments."""
    if path.suffix != ".py":
        yield "\n".join(line.lstrip("# ") for line in path.read_text("utf-8").splitlines() if line.startswith("#"))
        return
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value


def said(prefix: str, folder: Path = SERVERS) -> dict[str, list[str]]:
    """Kind -> what the stand-ins whose files begin so say of their cloud."""
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for path in sorted((*folder.glob(f"{prefix}*.py"), *folder.glob(f"{prefix}*.graphql"))):
        for text in texts(path):
            for kind, words in _SAID.findall(text):
                one = " ".join(words.split())
                found[kind].append(one[:1].upper() + one[1:])
    return found


def unmarked(folder: Path = SERVERS) -> list[str]:
    """Lines of the stand-ins that speak of an assumption where nobody collects it."""
    return [
        f"{path.name}: {line.strip()}"
        for path in sorted(folder.glob("*.py"))
        if not path.name.startswith("test_")
        for line in path.read_text("utf-8").splitlines()
        if re.search(r"#.*assum|\bassum(?!ption: )", line, re.I)
        and not re.search(r"\bAssumption: ", line.split("#")[0])
    ]


def page(text: str) -> str:
    """The page with the lists as they are now."""
    lines: list[str] = []
    for cloud, prefix in CLOUDS.items():
        lines += [f"### {cloud}", ""]
        for kind, items in said(prefix).items():
            if items:
                lines += [f"{KINDS[kind]}:", "", *(f"- {item}" for item in items), ""]
    return BLOCK.sub(lambda match: match[1] + "\n" + "\n".join(lines) + match[2], text)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        Path(name).write_text(page(Path(name).read_text("utf-8")), "utf-8")

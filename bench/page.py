"""Writes the tables of results into pages, between their marks: `python -m bench.page [FILE]`, `make bench-page`.

docs/benchmarks.md has every figure with what each side showed; the READMEs have the figures alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import results
from .figures import BY_KEY, FIGURES, shown
from .frame import Row

ROOT = Path(__file__).parent.parent
MARKS = ("<!-- made by bench/page.py -->", "<!-- end -->")
CHINESE = {
    "log_median": "一次 `log()`（10 个数），中位数",
    "log_p99": "一次 `log()`（10 个数），第 99 百分位",
    "log_cpu": "一次 `log()`（10 个数），训练进程的 CPU",
    "import": "import",
    "init": "`wandb.init()`",
    "finish": "2,000 步的 run 的 `finish()`",
    "log_added": "镜像给一次 `log()`（10 个数）增加的时间，同一进程内",
    "delay": "从 `log()` 到 SwanLab 存储",
    "short_first": "短 run，程序的第一个：比纯 wandb 多",
    "short_next": "短 run，之后的每一个：比纯 wandb 多",
    "loop_5ms": "每 5 ms 一次 `log()` 的纯 Python 循环",
    "hundred": "每次 100 个数，全速，每行用时",
    "full_speed": "每次 10 个数，全速，20,000 行，每秒行数",
    "memory_first": "第一个 run 的镜像增加的内存（PSS）",
    "memory_next": "之后每个 run 的镜像增加的内存（PSS）",
    "trainers": "同时 40 个短训练，全部完成",
    "convert_fast": "转换一个 run，`--verify fast`，每秒数据点",
    "convert_full": "转换一个 run，`--verify full`，每秒数据点",
    "convert_none": "转换一个 run，`--no-verify`，每秒数据点",
    "convert_eight": "转换八个 run，2 个工作进程，每秒数据点",
    "convert_many": "转换 300 个各 200 行的 run，每秒 run 数",
    "pth": "不使用它的 Python 的启动",
    "relay_idle": "空闲的 relay，面对 1,000 份已完成的 journal",
}
"""The rows that the READMEs have, and their titles in README.zh-CN.md."""


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def origin(found: dict[str, Any]) -> dict[str, Any]:
    """What the sentences below say of a machine and its versions."""
    versions = found["versions"]
    names = {"wandb": "wandb", "swanlab": "SwanLab", "wandb-swan": "wandb-swan"}
    return {
        **found["machine"],
        "python": versions["python"],
        "packages": ", ".join(f"{name} {versions[key]}" for key, name in names.items()),
        "date": found["date"][:10],
        "load": found["load"],
    }


def whole(found: dict[str, Any], rows: Sequence[Row]) -> str:
    """What docs/benchmarks.md has: a table of the figures, and one of the sides."""
    measured = {row.key: row for row in rows}
    figures, sides = [], []
    for figure in FIGURES:
        if figure.key not in measured:
            continue
        row = measured[figure.key]
        reached = "" if figure.reached(row.value) else "not yet"
        goal = f"{figure.bound} {shown(figure.goal, figure.unit)}"
        figures.append([figure.title, shown(row.value, figure.unit), goal, reached, f"`{figure.subject}`"])
        for number, (name, spread) in enumerate(row.sides.items()):
            middle, far = (shown(value, figure.samples) for value in (spread.median, spread.p99))
            sides.append(["" if number else figure.title, name, middle, far, f"{spread.samples:,}"])
    said = (
        "{system}, {cores} cores ({processor}), {memory_gb} GB; Python {python}, {packages}; {date}, "
        "with a load of {load} before it."
    ).format_map(origin(found))
    return "\n\n".join([
        said,
        markdown(("figure", "measured", "goal", "", "subject"), figures),
        "What each side showed, all its rounds together:",
        markdown(("figure", "side", "median", "99th percentile", "samples"), sides),
    ])  # fmt: skip


def extract(found: dict[str, Any], rows: Sequence[Row], *, chinese: bool) -> str:
    """What a README has."""
    kept = [row for row in rows if row.key in CHINESE]
    lines = [[CHINESE[row.key] if chinese else BY_KEY[row.key].title, shown(row.value, BY_KEY[row.key].unit)]
             for row in kept]  # fmt: skip
    about = origin(found)
    said = ("{cores} 核，Python {python}，{packages}，{date}。" if chinese else
            "{cores} cores, Python {python}, {packages}, {date}.")  # fmt: skip
    return f"{markdown(('', '开销') if chinese else ('', 'measured'), lines)}\n\n{said.format_map(about)}"


def filled(page: str, made: str) -> str:
    """A page with what is made between its marks. Raises ValueError if it has none."""
    before, begin, rest = page.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not end:
        raise ValueError(f"there is no {MARKS[0]} with {MARKS[1]} after it")
    return f"{before}{begin}\n{made}\n{end}{after}"


def pages(path: Path) -> dict[Path, str]:
    """Each page with its tables of a file of results."""
    found, rows = results.read(path)
    made = {
        "docs/benchmarks.md": whole(found, rows),
        "README.md": extract(found, rows, chinese=False),
        "README.zh-CN.md": extract(found, rows, chinese=True),
    }
    return {ROOT / name: filled((ROOT / name).read_text("utf-8"), text) for name, text in made.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=results.PATH)
    for page, text in pages(parser.parse_args().file).items():
        page.write_text(text, "utf-8")


if __name__ == "__main__":
    main()

"""What each way brings from W&B to SwanLab: one program, run side by side, and the SwanLab stores read back.

`python bench/fidelity.py` runs `one_of_everything.py`, offline, with no login, and brings it over in four ways:

- with `swanlab.sync_wandb()` called first, as SwanLab documents it;
- with wandb alone; its folder is then brought over by `swanlab convert` (`WandbLocalConverter`);
- and by `wandb-swan convert`;
- with wandb_swan beside it (`WANDB_SWAN=1`, the program unedited).

Each SwanLab store is held against the wandb log of the very run that it is of. What counts is the content: a number
with its key and value, a picture with its pixels, in whatever form a viewer would find it. `swanlab convert` asks for
a login even offline; here that question is left out, nothing else.

`python bench/fidelity.py README.md README.zh-CN.md` writes the table into pages, between their two marks.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import wave
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from wandb_swan.parity.logs import read_logs
from wandb_swan.parity.recorded import Recorded
from wandb_swan.parity.stored import StoredRun
from wandb_swan.swan.sdk.store import records

PROGRAM = (Path(__file__).parent / "one_of_everything.py").read_text("utf-8")
CRASH = """
import wandb
run = wandb.init(project="fidelity", id="crash")
run.log({"loss": 1.0})
raise ValueError("its end")
"""
SYNC = 'import swanlab\nswanlab.sync_wandb(mode="offline", log_dir="swanlog")\n'
CONVERT = """
import swanlab
swanlab.login = lambda **given: None
from swanlab.converter import WandbLocalConverter
WandbLocalConverter(project="fidelity", mode="offline", log_dir="theirs").run("./wandb")
"""
CONFIG = {"lr": 0.1, "layers": [64, 32], "seed": 7, "amp": True, "note": "7", "later": 1,
          "model": {"kind": "mlp", "dropout": None}}  # fmt: skip
SOON = 10.0
"""Seconds; the conversions come later than that."""
MARKS = ("<!-- made by bench/fidelity.py -->", "<!-- end -->")


class Way(NamedTuple):
    """One way from wandb to SwanLab: its two runs, and wandb's records of them."""

    recorded: Recorded
    wandb: Path
    stored: StoredRun
    crashed: StoredRun

    def series(self) -> Iterator[tuple[str, Any]]:
        for path, series in self.recorded.scalars.items():
            for key in ("/".join(path), ".".join(path)):
                if key in self.stored.scalars:
                    yield "/".join(path), (series, self.stored.scalars[key])
                    break
            else:
                yield "/".join(path), (series, None)

    def files(self, key: str) -> list[Path]:
        """The files of a key's items, of every step."""
        by_step = self.stored.media.get(key, {})
        return [self.stored.file_of(key, item) for items in by_step.values() for item in items]

    def originals(self, key: str) -> list[Path]:
        """The files that wandb has of a key."""
        found = []
        for media in self.recorded.media[(key,)].values():
            for item in media.items:
                assert media.files is not None
                found.append(media.files / str(item["path"]))
        return found

    def says(self, text: str) -> bool:
        """Whether a text stands in SwanLab's config or texts or console."""
        texts = [file.read_text("utf-8", "replace") for key in self.stored.media for file in self.files(key)
                 if self.stored.kinds.get(key) == "text"]  # fmt: skip
        everything = [json.dumps(self.stored.config, default=str), *texts, *(line for line, _ in self.stored.lines)]
        return any(text in one for one in everything)


Answer = tuple[int, int] | str
"""How many of how many; or a word."""


def numbers(way: Way) -> Answer:
    """Points that are there with their key and value, at whatever step."""
    have = wanted = 0
    for _, (series, found) in way.series():
        left = [repr(value) for value in found.values] if found is not None else []
        for value in series.values:
            wanted += 1
            if repr(value) in left:
                left.remove(repr(value))
                have += 1
    return have, wanted


def steps(way: Way) -> Answer:
    """Points that are there at wandb's step."""
    have = wanted = 0
    for _, (series, found) in way.series():
        held = dict(zip(found.steps, map(repr, found.values), strict=True)) if found is not None else {}
        wanted += len(series)
        have += sum(held.get(step) == repr(value) for step, value in zip(series.steps, series.values, strict=True))
    return have, wanted


def times(way: Way) -> Answer:
    """Points that are there with the time at which they were logged, within `SOON`."""
    have = wanted = 0
    for _, (series, found) in way.series():
        wanted += len(series)
        pairs = zip(series.times, found.times, strict=False) if found is not None else ()
        have += sum(abs(one - other) <= SOON for one, other in pairs)
    return have, wanted


def invented(way: Way) -> Answer:
    """Charts of numbers that nobody logged."""
    logged = {key for path in way.recorded.scalars for key in ("/".join(path), ".".join(path))}
    return str(sum(key not in logged and not key.startswith("system/") for key in way.stored.scalars))


def texts(way: Way) -> Answer:
    said = {"text": "a text", "list": "1", "none": "null|None"}
    return sum(any(re.search(like, file.read_text()) for file in way.files(key)) for key, like in said.items()), 3


def pixels(file: Path) -> Any:
    from PIL import Image

    with Image.open(file) as opened:
        return opened.size, opened.convert("RGB").tobytes()


def pictures(way: Way) -> Answer:
    have = 0
    for key in ("image", "images"):
        stored = [pixels(file) for file in way.files(key)]
        have += sum(pixels(file) in stored for file in way.originals(key))
    return have, 4


def captions(way: Way) -> Answer:
    wanted = {"image": ["one"], "images": ["no. 0", "no. 1", "no. 2"], "audio": ["beep"], "video": ["noise"]}
    have = 0
    for key, said in wanted.items():
        held = [item.caption for items in way.stored.media.get(key, {}).values() for item in items]
        have += sum(caption in held for caption in said)
    return have, 6


def layers(way: Way) -> Answer:
    """Pictures on which the boxes or masks are seen: they are there, and not as the plain picture is."""
    have = 0
    for key in ("boxes", "masks"):
        plain = [pixels(file) for file in way.originals(key)]
        have += any(pixels(file) not in plain for file in way.files(key))
    return have, 2


def cells(way: Way) -> Answer:
    """Pictures that are there and none of those that were logged by themselves."""
    others = [pixels(file) for key in ("image", "images", "boxes", "masks") for file in way.originals(key)]
    keys = [key for key in way.stored.media if key.startswith("gallery") and way.stored.kinds[key] == "image"]
    return sum(pixels(file) not in others for key in keys for file in way.files(key)), 2


def sounds(way: Way) -> Answer:
    def samples(file: Path) -> bytes:
        with wave.open(str(file)) as opened:
            return opened.readframes(opened.getnframes())

    stored = [samples(file) for file in way.files("audio")]
    return sum(samples(file) in stored for file in way.originals("audio")), 1


def held(*keys: str, saying: str = "") -> Callable[[Way], Answer]:
    """Media that are there under their keys and, where `saying` is given, hold that text."""

    def holds(file: Path) -> bool:
        return bool(re.search(saying, file.read_text("utf-8", "replace"))) if saying else True

    def look(way: Way) -> Answer:
        return sum(any(map(holds, way.files(key))) for key in keys), len(keys)

    return look


def config(way: Way) -> Answer:
    held = way.stored.config
    return sum(json.dumps(held.get(key), sort_keys=True) == json.dumps(value, sort_keys=True)
               for key, value in CONFIG.items()), len(CONFIG)  # fmt: skip


def summary(way: Way) -> Answer:
    """What was set by hand, and what `define_metric(summary="min")` declares."""
    whole = json.dumps(way.stored.config)
    return int('"verdict": "good"' in whole) + int(bool(re.search(r'"best_loss": \{"min": 0', whole))), 2


def about(way: Way) -> Answer:
    wanted = {"name": "one of everything", "description": "what is carried", "group": "g", "job_type": "train"}
    told = way.stored.description
    return sum(told[key] == value for key, value in wanted.items()) + ({"a", "b"} <= set(told["tags"])), 5


def changed(way: Way) -> Answer:
    return int("later" in way.stored.description["tags"]), 1


def run_id(way: Way) -> Answer:
    return int(way.stored.run_id == "everything" or "everything" in json.dumps(way.stored.config)), 1


def axis(way: Way) -> Answer:
    """`define_metric("val/*", step_metric="epoch")`."""
    axes = [str(record.column) for record in records(way.stored.dir) if record.HasField("column")]
    return int(any('"val/acc"' in column and '"epoch"' in column for column in axes)), 1


def console(way: Way) -> Answer:
    """Printed lines, each once."""
    lines = [line for line, _ in way.stored.lines]
    return sum(lines.count(f"step {i}") == 1 for i in range(40)), 40


def saved(way: Way) -> Answer:
    file = way.stored.dir / "files" / "weights.txt"
    return int(file.exists() and file.read_text() == "the weights"), 1


def artifacts(way: Way) -> Answer:
    """Listed with its digest; its content has no place in SwanLab."""
    (digest,) = {digest for name, digest, _ in way.recorded.artifacts if name.startswith("model")}
    return int(way.says(digest)), 1


def alerts(way: Way) -> Answer:
    return int(way.says("an alert") and way.says("of something")), 1


def began(way: Way) -> Answer:
    return int(abs(way.stored.started_at - way.recorded.started_at) <= SOON), 1


def ended(way: Way) -> Answer:
    """A run that an exception ended, and which."""
    return int(way.crashed.state == "crashed") + int("its end" in way.crashed.error), 2


def machine(way: Way) -> Answer:
    """Samples of CPU, memory, ...: wandb's, or those that SwanLab took itself."""
    theirs = {record.scalar.key for record in records(way.stored.dir)
              if record.HasField("scalar") and record.scalar.key.startswith("__swanlab__")}  # fmt: skip
    if any(key.startswith("system/") for key in way.stored.scalars):
        return "W&B's"
    return "SwanLab's own" if theirs else "none"


CHECKS: dict[tuple[str, str], Callable[[Way], Answer]] = {
    ("numbers", "数值"): numbers,
    ("... at W&B's step", "……步数与 W&B 一致"): steps,
    ("... at the time they were logged", "……时间与记录时一致"): times,
    ("charts that nobody logged", "凭空多出的图表"): invented,
    ("text, list, None", "文本、列表、None"): texts,
    ("pictures, same pixels", "图片（像素相同）"): pictures,
    ("captions", "图片、音频、视频的说明文字"): captions,
    ("boxes and masks drawn", "画出的检测框与掩码"): layers,
    ("pictures in cells of tables", "表格单元格里的图片"): cells,
    ("sounds, same samples", "音频（采样相同）"): sounds,
    ("videos", "视频"): held("video"),
    ("Html pages", "Html 页面"): held("html", saying="a page"),
    ("plotly and matplotlib figures", "plotly 与 matplotlib 图"): held("plotly", "matplotlib"),
    ("tables", "表格"): held("table", "gallery", saying="second|fourth"),
    ("histograms", "直方图"): held("histogram"),
    ("charts of wandb.plot", "wandb.plot 图表"): held("confusion", "line"),
    ("point clouds, molecules", "点云、分子"): held("cloud", "molecule"),
    ("config values, with their types", "config 的值与类型"): config,
    ("summary set by hand, or declared", "手动设置或声明的 summary"): summary,
    ("name, notes, tags, group, job type", "名称、备注、标签、分组、任务类型"): about,
    ("a tag that came later", "之后添加的标签"): changed,
    ("the run's id", "run 的 id"): run_id,
    ("declared X axis", "声明的 X 轴"): axis,
    ("console lines, each once", "控制台输出（每行一次）"): console,
    ("saved files", "保存的文件"): saved,
    ("artifacts, listed", "artifact（列出）"): artifacts,
    ("alerts", "告警"): alerts,
    ("when the run began", "run 的开始时间"): began,
    ("that a run crashed, and why", "run 崩溃及其原因"): ended,
    ("the machine's metrics", "机器指标"): machine,
}
WAYS = ("`swanlab.sync_wandb()`", "`swanlab convert`", "**wandb_swan**", "**`wandb-swan convert`**")
WORDS = {"SwanLab's own": "SwanLab 自己的", "W&B's": "W&B 的", "none": "无"}


def environment(home: Path, **more: str) -> dict[str, str]:
    """Without the user's settings and logins."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB", "SWANLAB"))}
    return kept | {"HOME": str(home), "WANDB_MODE": "offline", "SWANLAB_PROBE_REQUIREMENTS": "false"} | more


def run(folder: Path, *command: str, expect: int = 0, **more: str) -> None:
    """Runs a command in a folder. Raises SystemExit if its exit code is another than expected."""
    done = subprocess.run(command, cwd=folder, env=environment(folder, **more), capture_output=True, text=True)
    if done.returncode != expect:
        raise SystemExit(f"{command}: {done.stdout}{done.stderr}")


def train(folder: Path, before: str = "", **more: str) -> None:
    """Runs both programs in a folder, as files."""
    folder.mkdir(exist_ok=True)
    for name, program, code in (("everything.py", PROGRAM, 0), ("crash.py", CRASH, 1)):
        (folder / name).write_text(before + program)
        run(folder, sys.executable, name, expect=code, **more)


def read(folder: Path, swanlog: str) -> Way:
    """What a folder's runs left in both stores."""
    (log,) = folder.glob("wandb/offline-run-*-everything/run-everything.wandb")
    runs = [StoredRun(path) for path in (folder / swanlog).glob("run-*")]
    (everything,) = (run for run in runs if "train/loss" in run.scalars)
    (crashed,) = (run for run in runs if "loss" in run.scalars)
    return Way(read_logs([log]), log.parent, everything, crashed)


def measured(folder: Path) -> list[Way]:
    """All four ways, in the order of `WAYS`."""
    train(folder / "synced", SYNC)
    train(folder / "plain")
    run(folder / "plain", sys.executable, "-c", CONVERT)
    ours = [
        sys.executable,
        "-m",
        "wandb_swan",
        "convert",
        "-t",
        "wandb-local",
        "--wb-dir",
        "wandb",
        "--mode",
        "offline",
    ]
    run(folder / "plain", *ours)
    train(folder / "mirrored", WANDB_SWAN="1", WANDB_SWAN_MODE="offline")
    return [read(folder / "synced", "swanlog"), read(folder / "plain", "theirs"),
            read(folder / "mirrored", "swanlog"), read(folder / "plain", "swanlog")]  # fmt: skip


def table(ways: list[Way], *, chinese: bool = False) -> str:
    """The Markdown table, with the versions that it is of."""
    of = "{} / {}" if chinese else "{} of {}"

    def cell(answer: Answer) -> str:
        if isinstance(answer, str):
            return WORDS.get(answer, answer) if chinese else answer
        return "–" if not answer[0] else of.format(f"{answer[0]:,}", f"{answer[1]:,}")

    head = ["", *WAYS]
    rows = [[labels[chinese], *(cell(check(way)) for way in ways)] for labels, check in CHECKS.items()]
    lines = [f"| {' | '.join(one)} |" for one in [head, ["---"] * len(head), *rows]]
    versions = f"SwanLab {version('swanlab')}, wandb {version('wandb')}, wandb-swan {version('wandb-swan')}"
    return "\n".join([*lines, "", f"{versions}{'。' if chinese else '.'}"])


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="fidelity-") as folder:
        ways = measured(Path(folder))
        pages = [Path(name) for name in sys.argv[1:]]
        for page in pages:
            before, begin, rest = page.read_text("utf-8").partition(MARKS[0])
            if not begin:
                raise SystemExit(f"{page} has no {MARKS[0]}")
            made = table(ways, chinese="zh" in page.name)
            page.write_text(f"{before}{begin}\n{made}\n{MARKS[1]}{rest.partition(MARKS[1])[2]}", "utf-8")
        if not pages:
            print(table(ways))


if __name__ == "__main__":
    main()

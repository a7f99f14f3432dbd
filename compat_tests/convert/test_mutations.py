"""A stored run is changed in one place, and `wandb-swan verify` says so; unchanged it is identical."""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from compat_tests.conftest import clean_environment
from compat_tests.convert.conftest import Cli, train
from wandb_swan.exceptions import WandbSwanError
from wandb_swan.journal.framing import frame
from wandb_swan.parity.pairing import Pair, pairs

pytestmark = pytest.mark.live

TRAIN = """
import numpy, sys
run = wandb.init(project="p", id="run1", name="one", notes="why", tags=["x", "y"], group="g", job_type="t",
                 config={"lr": 0.5, "text": "0.5", "deep": {"er": [1, None]}})
run.define_metric("best", summary="max")
for i in range(6):
    run.log({"loss": 1 / (i + 1), "word": f"at {i}", "deep": {"er": i}, "best": -i, "list": [i, "a"]})
    print(f"line {i}")
print("to stderr", file=sys.stderr)
pictures = [wandb.Image(numpy.full((4, 4, 3), 40 * n, dtype=numpy.uint8), caption=f"picture {n}") for n in range(3)]
box = {"position": {"minX": 0.2, "maxX": 0.6, "minY": 0.5, "maxY": 0.8}, "class_id": 1}
run.log({"pictures": pictures, "boxes": wandb.Image(
    numpy.full((20, 30, 3), 99, dtype=numpy.uint8),
    boxes={"predictions": {"box_data": [box], "class_labels": {1: "cat"}}},
)})
xy = wandb.Table(columns=["x", "y"], data=[[0, 1.5], [1, 0.25], [2, 7]])
xyz = wandb.Table(columns=["x", "y", "z"], data=[[0, 1.5, "a"], [1, 0.25, "b"]])
scores = wandb.Table(columns=["metric_name", "metric_value", "model_name"], data=[["recall", 0.5, "forest"]])
run.log({"histogram": wandb.Histogram(np_histogram=([1, 2, 3], [0.0, 0.1, 5.0, 7.5])),
         "table": wandb.Table(columns=["x", "name"], data=[[1, "a"], [2.5, "b"]]),
         "chart": wandb.plot.line(xy, "x", "y", title="t"),
         "shares": wandb.visualize("wandb/class_proportions/v1", wandb.Table(
             columns=["class", "dataset", "count"], data=[["a", "train", 3], ["a", "test", 1], ["b", "train", 5]])),
         "part": wandb.plot.line(xyz, "x", "y", title="t"),
         "scores": wandb.visualize("wandb/metrics/v1", scores),
         "page": wandb.Html("<b>bold</b>", inject=False),
         "sound": wandb.Audio(numpy.sin(numpy.arange(4000) / 5) * 0.5, sample_rate=8000),
         "cloud": wandb.Object3D(numpy.arange(15.0).reshape(5, 3) / 7)})
shades = [wandb.Image(numpy.full((4, 4, 3), 50 * n, dtype=numpy.uint8), caption=f"shade {n}") for n in range(3)]
seen = wandb.Image(
    numpy.full((20, 30, 3), 99, dtype=numpy.uint8),
    boxes={"predictions": {"box_data": [box], "class_labels": {1: "cat"}}},
)
rows = [[n, shade, seen, wandb.Html(f"<b>{n}</b>", inject=False)] for n, shade in enumerate(shades)]
run.log({"cells": wandb.Table(columns=["n", "image", "seen", "page"], data=rows)})
left = wandb.Table(columns=["id", "image"], data=[["1", shades[0]], ["2", shades[1]]])
run.log({"joined": wandb.JoinedTable(left, wandb.Table(columns=["id", "n"], data=[["1", 2]]), "id")})
open("weights.bin", "wb").write(b"w" * 3000)
run.save("weights.bin")
artifact = wandb.Artifact("data", "dataset")
artifact.add_file("weights.bin")
run.log_artifact(artifact)
run.summary["by hand"] = {"a": 1.5}
run.alert("title", "text")
run.finish(0)
"""
Change = Callable[[Path], None]


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A wandb/ folder, its SwanLab run folder, and a home."""
    folder = tmp_path_factory.mktemp("mutations")
    wandb = train(folder / "source", TRAIN, WANDB_X_DISABLE_STATS="false")
    cli = Cli(folder, clean_environment(folder, WANDB_MODE=None))
    cli.local(wandb, "--strict")
    (run,) = (folder / "swanlog").glob("run-*")
    return wandb, run, folder


def of_records(change: Callable[[Any], bool | None]) -> Change:
    """Changes the first record for which `change` says True; None takes the record away."""

    def mutate(run: Path) -> None:
        from swanlab.proto.swanlab.record.v1.record_pb2 import Record
        from swanlab.sdk.internal.core_python.store import DataStoreReader

        (file,) = run.glob("run-*.swanlab")
        reader = DataStoreReader()
        reader.open(str(file))
        payloads = list(reader)
        reader.close()
        out, done = file.read_bytes()[:7], False
        for payload in payloads:
            record = Record.FromString(payload)
            changed = False if done else change(record)
            if changed is None:
                done = True
                continue
            done = done or changed
            out += frame(record.SerializeToString() if changed else payload, len(out))
        assert done, "nothing was changed"
        file.write_bytes(out)

    return mutate


def point(key: str, step: int, act: Callable[[Any], bool | None]) -> Change:
    return of_records(
        lambda r: act(r) if r.HasField("scalar") and (r.scalar.key, r.scalar.step) == (key, step) else False
    )


def media(key: str, act: Callable[[Any], bool | None]) -> Change:
    return of_records(lambda r: act(r) if r.HasField("media") and r.media.key == key else False)


def setting(path: str, value: Any) -> Callable[[Any], bool]:
    def act(record: Any) -> bool:
        *above, last = path.split(".")
        for name in above:
            record = getattr(record, name)
        setattr(record, last, value)
        return True

    return act


def without(record: Any) -> None:
    """The record is taken away."""


def item_gone(record: Any) -> bool:
    del record.media.value.items[1]
    return True


def items_swapped(record: Any) -> bool:
    first, second, third = (type(item).FromString(item.SerializeToString()) for item in record.media.value.items)
    del record.media.value.items[:]
    record.media.value.items.extend([second, first, third])
    return True


def captioned(record: Any) -> bool:
    record.media.value.items[2].caption = "another"
    return True


def setting_caption(caption: str) -> Callable[[Any], bool]:
    def act(record: Any) -> bool:
        record.media.value.items[1].caption = caption
        return True

    return act


def of_file(pattern: str, change: Callable[[bytes], bytes | None]) -> Change:
    def mutate(run: Path) -> None:
        file = sorted(run.glob(pattern))[0]
        content = change(file.read_bytes())
        if content is None:
            file.unlink()
        else:
            assert content != file.read_bytes()
            file.write_bytes(content)

    return mutate


def one_byte(content: bytes) -> bytes:
    return content[:-20] + bytes((content[-20] ^ 1,)) + content[-19:]


def start(act: Callable[[Any], bool | None]) -> Change:
    return of_records(lambda r: act(r) if r.HasField("start") else False)


def untagged(record: Any) -> bool:
    del record.start.tags[1]
    return True


def finished_otherwise(record: Any) -> bool:
    record.finish.state = 3 if record.finish.state != 3 else 2
    return True


def is_system(record: Any) -> bool:
    return bool(record.HasField("scalar") and record.scalar.key.startswith("system/"))


def last_item_gone(record: Any) -> bool:
    del record.media.value.items[-1]
    return True


def item_twice(record: Any) -> bool:
    record.media.value.items.add().CopyFrom(record.media.value.items[0])
    return True


def first_item_gone(record: Any) -> bool:
    del record.media.value.items[0]
    return True


def last_item_twice(record: Any) -> bool:
    record.media.value.items.add().CopyFrom(record.media.value.items[-1])
    return True


def uncaptioned(record: Any) -> bool:
    record.media.value.items[0].caption = ""
    return True


def later(path: str) -> Callable[[Any], bool]:
    """Moves a time by a millisecond and a bit."""

    def act(record: Any) -> bool:
        for name in path.split("."):
            record = getattr(record, name)
        record.FromMicroseconds(record.ToMicroseconds() + 1500)
        return True

    return act


def line(text: str, act: Callable[[Any], bool | None]) -> Callable[[Any], bool | None]:
    return lambda r: act(r) if r.HasField("log") and r.log.line == text else False


def swap(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        assert old in content, content[:2000]
        return content.replace(old, new, 1)

    return change


def one_pixel(content: bytes) -> bytes:
    picture = Image.open(io.BytesIO(content))
    red, green, blue = picture.getpixel((0, 0))
    picture.putpixel((0, 0), (red ^ 1, green, blue))
    changed = io.BytesIO()
    picture.save(changed, "png")
    return changed.getvalue()


def in_turn(*changes: Change) -> Change:
    def mutate(run: Path) -> None:
        for change in changes:
            change(run)

    return mutate


def content(key: str, change: Callable[[bytes], bytes | None], item: int = 0) -> Change:
    """Changes the file of an item, and what SwanLab has noted of it."""

    def mutate(run: Path) -> None:
        def act(record: Any) -> bool:
            held = record.media.value.items[item]
            (file,) = run.glob(f"media/*/{held.filename}")
            changed = change(file.read_bytes())
            if changed is None:
                file.unlink()
                return True
            assert changed != file.read_bytes()
            file.write_bytes(changed)
            held.sha256, held.size = hashlib.sha256(changed).hexdigest(), len(changed)
            return True

        media(key, act)(run)

    return mutate


MUTATIONS: dict[str, tuple[Change, str]] = {
    "a value": (point("loss", 2, setting("scalar.value.number", 1 / 3 + 2**-53)), "loss"),
    "the sign of a value": (point("loss", 0, setting("scalar.value.number", -1.0)), "loss"),
    "a value that is no number any more": (point("loss", 1, setting("scalar.value.number", float("nan"))), "loss"),
    "a value of a nested key": (point("deep/er", 3, setting("scalar.value.number", 4.0)), "deep.er"),
    "a missing point": (point("loss", 5, without), "loss"),
    "the first point is missing": (point("deep/er", 0, without), "deep.er"),
    "a point at another step": (point("loss", 5, setting("scalar.step", 77)), "loss"),
    "a point under another key": (point("loss", 5, setting("scalar.key", "lost")), "lost"),
    "a text": (content("word", lambda text: text + b"!"), "word"),
    "a text that is gone": (content("word", lambda text: None), "word"),
    "a missing text": (media("word", without), "word"),
    "a text at another step": (media("word", setting("media.step", 99)), "word"),
    "one bit of a picture": (of_file("media/image/*.png", one_byte), "pictures"),
    "a picture that is gone": (of_file("media/image/*.png", lambda png: None), "pictures"),
    "one picture of three is missing": (media("pictures", item_gone), "pictures"),
    "two pictures have changed places": (media("pictures", items_swapped), "pictures"),
    "a caption": (media("pictures", captioned), "pictures"),
    "all pictures of a step are missing": (media("pictures", without), "pictures"),
    "an alert": (media("alerts", without), "alerts"),
    "a config value": (of_file("files/config.yaml", lambda text: text.replace(b"value: 0.5", b"value: 0.25", 1)), "lr"),
    "the type of a config value": (
        of_file("files/config.yaml", lambda text: text.replace(b"'0.5'", b"0.5", 1)),
        "text",
    ),
    "a missing config value": (of_file("files/config.yaml", lambda text: text.replace(b"\nlr:", b"\nrate:", 1)), "lr"),
    "the name": (start(setting("start.name", "another")), "another"),
    "the notes": (start(setting("start.description", "")), "why"),
    "the group": (start(setting("start.group", "h")), "group"),
    "the job type": (start(setting("start.job_type", "")), "job_type"),
    "a tag": (start(untagged), "tags y"),
    "the state": (of_records(lambda r: finished_otherwise(r) if r.HasField("finish") else False), "state"),
    "no end": (of_records(lambda r: without(r) if r.HasField("finish") else False), "unfinished"),
    "a point more": (point("loss", 4, setting("scalar.step", 1_000_000)), "loss"),
    "a system value": (of_records(lambda r: without(r) if is_system(r) else False), "system."),
    "another text at a step": (content("word", lambda text: b"at 1"), "word"),
    "the last picture is missing": (media("pictures", last_item_gone), "pictures"),
    "a picture twice": (media("pictures", item_twice), "pictures"),
    "a caption is gone": (media("pictures", uncaptioned), "pictures"),
    "the text of an alert": (content("alerts", lambda text: text + b"!"), "alerts"),
    "the infinity of a value": (point("loss", 3, setting("scalar.value.number", float("inf"))), "loss"),
    "a text that is cut": (content("word", lambda text: text[:-1]), "word"),
    "a picture that is cut": (of_file("media/image/*.png", lambda png: png[:-12]), "pictures"),
    "another id": (of_file("files/config.yaml", lambda text: text.replace(b"id: run1", b"id: run2", 1)), "another run"),
    "a config value more": (of_file("files/config.yaml", lambda text: text + b"more:\n  value: 1\n"), "more"),
    "a nested config value": (of_file("files/config.yaml", lambda text: text.replace(b"- null", b"- 0", 1)), "deep.er"),
    "the time of a value": (point("loss", 2, later("scalar.timestamp")), "loss"),
    "the time of a text": (media("word", later("media.timestamp")), "word"),
    "the time of a picture": (media("pictures", later("media.timestamp")), "pictures"),
    "the time of a system value": (
        of_records(lambda r: later("scalar.timestamp")(r) if is_system(r) else False),
        "system.",
    ),
    "the beginning of the run": (start(later("start.started_at")), "created"),
    "the end of the run": (
        of_records(lambda r: later("finish.finished_at")(r) if r.HasField("finish") else False),
        "finished",
    ),
    "a value of a list": (content("list", lambda text: text.replace(b"0", b"1")), "list"),
    "one picture of three is another": (content("pictures", one_pixel, item=1), "pictures"),
    "a pixel of a picture with boxes": (content("boxes", one_pixel), "boxes"),
    "the count of a bin": (content("histogram", swap(b"[1,2,3]", b"[1,4,3]")), "histogram"),
    "the edge of a bin": (content("histogram", swap(b"5,7.5]", b"5,7.25]")), "histogram"),
    "a cell": (content("table", swap(b"2.5", b"2.25")), "table"),
    "the text of a cell": (content("table", swap(b'"a"', b'"A"')), "table"),
    "the name of a column": (content("table", swap(b'"name"', b'"Name"')), "table"),
    "a pixel of a picture in a cell": (content("cells/image", one_pixel, item=1), "cells.image"),
    "a pixel of a picture with boxes in a cell": (content("cells/seen", one_pixel, item=2), "cells.seen"),
    "a picture in a cell is missing": (media("cells/image", item_gone), "cells.image"),
    "the pictures of two cells have changed places": (media("cells/image", items_swapped), "cells.image"),
    "the row of a picture": (media("cells/image", setting_caption("row 2: shade 1")), "cells.image"),
    "the pictures of a column": (media("cells/image", without), "cells.image"),
    "a word of a page in a cell": (content("cells/page", swap(b"<b>0", b"<b>7"), item=0), "cells.page"),
    "the picture that a cell names": (content("cells", swap(b"cells/image, row 1", b"cells/image, row 2")), "cells"),
    "a pixel in a joined table": (content("joined/image", one_pixel), "joined.image"),
    "a cell of a joined table": (content("joined", swap(b'"n": 2', b'"n": 3')), "joined"),
    "a point of a chart": (content("chart", swap(b"0.25", b"0.125")), "chart"),
    "a bar of a group": (content("shares", swap(b"5", b"6")), "shares"),
    "a bar that a group does not have": (content("shares", swap(b"null", b"0")), "shares"),
    "the series of bars": (content("shares", swap(b'"train"', b'"valid"')), "shares"),
    "a cell beside a chart that does not show it": (content("part_table", swap(b'"b"', b'"B"')), "part_table"),
    "the table of a chart that does not show all": (media("part_table", without), "part"),
    "a cell after a chart that does not show it": (content("scores", swap(b"forest", b"woods"), item=1), "scores"),
    "the table after a chart": (media("scores", last_item_gone), "scores"),
    "the chart before a table": (media("scores", first_item_gone), "scores"),
    "the table after a chart twice": (media("scores", last_item_twice), "scores"),
    "a word of a page": (content("page", swap(b"bold", b"bald")), "page"),
    "a sample of a sound": (content("sound", one_byte), "sound"),
    "a point of a cloud": (content("cloud", swap(b"1.0", b"1.5")), "cloud"),
    "a line": (of_records(line("line 3", setting("log.line", "line 7"))), "console"),
    "a missing line": (of_records(line("line 3", without)), "console"),
    "the stream of a line": (of_records(line("to stderr", setting("log.level", 2))), "console"),
    "two lines have changed places": (
        in_turn(
            of_records(line("line 3", setting("log.line", "line 4 "))),
            of_records(line("line 4", setting("log.line", "line 3"))),
        ),
        "console",
    ),
    "a saved file": (of_file("files/weights.bin", one_byte), "files weights.bin"),
    "a saved file that is gone": (of_file("files/weights.bin", lambda data: None), "files weights.bin"),
    "a declared summary": (of_file("files/config.yaml", swap(b"max: 0", b"max: 1")), "summary best.max"),
    "a summary by hand": (of_file("files/config.yaml", swap(b"a: 1.5", b"a: '1.5'")), "summary by hand.a"),
    "an artifact that is not listed": (
        of_file("files/config.yaml", swap(b"name: data", b"name: date")),
        "artifacts data",
    ),
    "the exit code": (of_file("files/config.yaml", swap(b"exit_code: 0", b"exit_code: 1")), "exit code"),
}


def test_unchanged_it_is_identical(converted: tuple[Path, Path, Path]) -> None:
    wandb, run, folder = converted
    cli = Cli(folder, clean_environment(folder, WANDB_MODE=None))
    assert "1 of 1 runs identical" in cli("verify", wandb, run)
    assert "1 of 1 runs identical (fast" in cli("verify", wandb, run, "--fast")


def changed_copy(run: Path, folder: Path, name: str) -> Path:
    copy = folder / run.name
    shutil.copytree(run, copy)
    MUTATIONS[name][0](copy)
    return copy


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_change_is_seen(converted: tuple[Path, Path, Path], tmp_path: Path, name: str) -> None:
    wandb, run, _ = converted
    changed = changed_copy(run, tmp_path, name)
    if name == "another id":
        with pytest.raises(WandbSwanError, match="another run"):
            list(pairs(str(wandb), str(changed)))
        return
    (pair,) = pairs(str(wandb), str(changed))
    assert isinstance(pair, Pair) and not pair.parity.identical
    assert any(MUTATIONS[name][1] in difference for difference in pair.parity.differences()), pair.parity.differences()


def test_the_command_names_it(converted: tuple[Path, Path, Path], tmp_path: Path) -> None:
    wandb, run, folder = converted
    changed = changed_copy(run, tmp_path, "a cell")
    said = Cli(tmp_path, clean_environment(folder, WANDB_MODE=None))("verify", wandb, changed, expect=1)
    assert "0 of 1 runs identical" in said and "cell 1/x: 2.5 in wandb, 2.25 in SwanLab" in said


def test_what_cannot_be_compared_is_not_called_identical(converted: tuple[Path, Path, Path], tmp_path: Path) -> None:
    wandb, run, folder = converted
    shutil.copytree(wandb, tmp_path / "wandb", symlinks=True)
    for media in (tmp_path / "wandb").glob("offline-run-*/files/media"):
        shutil.rmtree(media)
        media.with_name("weights.bin").unlink()
    cli = Cli(tmp_path, clean_environment(folder, WANDB_MODE=None))
    said = cli("verify", tmp_path / "wandb", run, expect=3)
    assert "1 of 1 runs identical, 1 of them but for content that could not be compared" in said
    assert "the source file is not there" in said and "weights.bin: the source file is not there" in said

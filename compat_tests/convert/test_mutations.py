"""A stored run is changed in one place, and `wandb-swan verify` says so; unchanged it is identical."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compat_tests.conftest import clean_environment
from compat_tests.convert.conftest import Cli, train
from wandb_swan.journal.framing import frame

pytestmark = pytest.mark.live

TRAIN = """
import numpy
run = wandb.init(project="p", id="run1", name="one", notes="why", tags=["x", "y"], group="g", job_type="t",
                 config={"lr": 0.5, "text": "0.5", "deep": {"er": [1, None]}})
for i in range(6):
    run.log({"loss": 1 / (i + 1), "word": f"at {i}", "deep": {"er": i}})
pictures = [wandb.Image(numpy.full((4, 4, 3), 40 * n, dtype=numpy.uint8), caption=f"picture {n}") for n in range(3)]
run.log({"pictures": pictures})
run.alert("title", "text")
run.finish()
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


def uncaptioned(record: Any) -> bool:
    record.media.value.items[0].caption = ""
    return True


MUTATIONS: dict[str, tuple[Change, str]] = {
    "a value": (point("loss", 2, setting("scalar.value.number", 1 / 3 + 2**-53)), "loss"),
    "the sign of a value": (point("loss", 0, setting("scalar.value.number", -1.0)), "loss"),
    "a value that is no number any more": (point("loss", 1, setting("scalar.value.number", float("nan"))), "loss"),
    "a value of a nested key": (point("deep/er", 3, setting("scalar.value.number", 4.0)), "deep.er"),
    "a missing point": (point("loss", 5, without), "loss"),
    "the first point is missing": (point("deep/er", 0, without), "deep.er"),
    "a point at another step": (point("loss", 5, setting("scalar.step", 77)), "loss"),
    "a point under another key": (point("loss", 5, setting("scalar.key", "lost")), "lost"),
    "a text": (of_file("media/text/*003*.txt", lambda text: text + b"!"), "word"),
    "a text that is gone": (of_file("media/text/*003*.txt", lambda text: None), "word"),
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
    "another text at a step": (of_file("media/text/*000*.txt", lambda text: b"at 1"), "word"),
    "the last picture is missing": (media("pictures", last_item_gone), "pictures"),
    "a picture twice": (media("pictures", item_twice), "pictures"),
    "a caption is gone": (media("pictures", uncaptioned), "pictures"),
    "the text of an alert": (of_file("media/text/006*.txt", lambda text: text + b"!"), "alerts"),
    "the infinity of a value": (point("loss", 3, setting("scalar.value.number", float("inf"))), "loss"),
    "a text that is cut": (of_file("media/text/*002*.txt", lambda text: text[:-1]), "word"),
    "a picture that is cut": (of_file("media/image/*.png", lambda png: png[:-12]), "pictures"),
    "another id": (of_file("files/config.yaml", lambda text: text.replace(b"id: run1", b"id: run2", 1)), "another run"),
    "a config value more": (of_file("files/config.yaml", lambda text: text + b"more:\n  value: 1\n"), "more"),
    "a nested config value": (of_file("files/config.yaml", lambda text: text.replace(b"- null", b"- 0", 1)), "deep.er"),
}


def test_unchanged_it_is_identical(converted: tuple[Path, Path, Path]) -> None:
    wandb, run, folder = converted
    cli = Cli(folder, clean_environment(folder, WANDB_MODE=None))
    assert "1 of 1 runs identical" in cli("verify", wandb, run)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_change_is_seen(converted: tuple[Path, Path, Path], tmp_path: Path, name: str) -> None:
    wandb, run, folder = converted
    changed = tmp_path / run.name
    shutil.copytree(run, changed)
    change, metric = MUTATIONS[name]
    change(changed)
    cli = Cli(tmp_path, clean_environment(folder, WANDB_MODE=None))
    said = cli("verify", wandb, changed, expect=2 if name == "another id" else 1)
    assert name == "another id" or "0 of 1 runs identical" in said
    assert metric in said

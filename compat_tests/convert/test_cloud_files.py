"""The files of a run in W&B's cloud: those that wandb made of the console, and the user's beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("graphql", reason="the loopback W&B parses GraphQL with graphql-core")
wandb_cloud = pytest.importorskip("compat_tests.servers.wandb_cloud")

from compat_tests.convert.conftest import Cli, train  # noqa: E402
from compat_tests.stores import SwanStore  # noqa: E402

pytestmark = pytest.mark.live

PARTS = """
import pathlib, time
def part(number, multipart):
    settings = wandb.Settings(console_multipart=multipart, console_chunk_max_bytes=30)
    run = wandb.init(project="p", id="parts", resume="allow", settings=settings)
    for line in range(3):
        print(f"part {number}, line {line}: \\u4f60")
        run.log({"a": line})
        if number == 0 and line == 1:
            time.sleep(6)  # wandb's core writes every 5 seconds, and begins another file then
    if number == 2:
        for name in ("logs/train.log", "logs/output_mine.log", "logs/deep/x.txt", "artifact/model.bin", "artifact/1/notes"):
            path = pathlib.Path(run.dir, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
            run.save(path, base_path=run.dir)
    run.finish()
    time.sleep(1.1)
part(0, True)
part(1, False)
part(2, True)
"""


def files_of(store: SwanStore) -> dict[str, bytes]:
    folder = store.dir / "files"
    made = {"config.yaml", "swanlab-metadata.json", "requirements.txt", "conda.yaml"}
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name not in made)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_the_console_in_parts_and_the_users_logs(cloud: wandb_cloud.WandbCloud, online: Cli, tmp_path: Path) -> None:
    home = tmp_path / "run" / "home"
    train(tmp_path / "run", PARTS, WANDB_MODE="online", **cloud.env(home))
    cloud.add_file("parts", "artifact/4711/wandb_manifest.json", b"{}")
    names = [name for name in cloud.run("parts").files if name.startswith("logs/output_2")]
    assert len(names) >= 3 and "output.log" in cloud.run("parts").files, "wandb's core wrote other files"
    said = online.cloud("--wb-project", "p", "--verify", "full", "--strict")
    swan = online.stores()["parts"]
    online.local(home / "wandb", "-l", "local")
    (local,) = (SwanStore.read(file.parent) for file in (online.dir / "local").glob("run-*/run-*.swanlab"))
    expected = [f"part {part}, line {line}: \u4f60" for part in range(3) for line in range(3)]
    assert [line for line in swan.console() if line.startswith("part ")] == expected, said
    assert [line for line in local.console() if line.startswith("part ")] == expected
    assert files_of(swan) == files_of(local)
    assert set(files_of(swan)) >= {"logs/train.log", "logs/output_mine.log", "artifact/model.bin", "artifact/1/notes"}


@pytest.mark.parametrize(
    "names",
    [
        ["20241130_235959.999999_output", "20241201_000000.000000_output"],  # 0.17 and 0.18
        ["output_20241130_235959_999999999", "output_20241201_000000_000000001"],
        ["output_rank_0_20241130_235959_000000009", "output_a b_20241130_235959_000000010"],
    ],
)
def test_the_parts_of_every_version(cloud: wandb_cloud.WandbCloud, online: Cli, names: list[str]) -> None:
    cloud.add_run("p", "r", [{"a": 1}])
    for number, name in reversed(list(enumerate(names))):
        cloud.add_file("r", f"logs/{name}.log", f"from {number}\nand on\n".encode())
    cloud.add_file("r", "logs/20241130_235959_output.txt", b"mine")
    online.cloud("--wb-project", "p", "--verify", "full", "--strict")
    swan = online.stores()["r"]
    assert swan.console() == ["from 0", "and on", "from 1", "and on"]
    assert files_of(swan) == {"logs/20241130_235959_output.txt": b"mine"}
    online.cloud("--wb-project", "p", "--no-console", "-l", "silent")
    (silent,) = (SwanStore.read(file.parent) for file in (online.dir / "silent").glob("run-*/run-*.swanlab"))
    assert not silent.console() and files_of(silent) == files_of(swan)

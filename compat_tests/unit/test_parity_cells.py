"""What the second reading makes of tables whose artifacts are broken, hostile or gone."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from wandb_swan.parity.cells import Artifacts, with_cells
from wandb_swan.parity.recorded import Recorded

URI = "wandb-client-artifact://id/"


class Run:
    """A run with tables, and the artifacts of them."""

    def __init__(self, folder: Path) -> None:
        self.recorded = Recorded()
        self._folder = folder
        self._staging = folder / "artifacts" / "staging"
        self._staging.mkdir(parents=True)

    def hold(self, path: str, content: Any) -> None:
        """A file of the artifact `id`."""
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        place = self._staging / str(len(self.recorded.of_artifacts))
        place.write_bytes(data)
        digest = base64.b64encode(hashlib.md5(data).digest()).decode()
        self.recorded.of_artifacts["id", path] = str(place), digest

    def log(self, value: dict[str, Any]) -> dict[tuple[str, ...], list[str]]:
        """The captions of what is below the table `t`."""
        self.recorded.values([(("t",), value)], 0, 0.0, self._folder)
        every, _ = with_cells(self.recorded, Artifacts(self.recorded.of_artifacts))
        return {path: [str(item["caption"]) for item in by[0].items] for path, by in every.items() if path != ("t",)}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    return Run(tmp_path)


PICTURE = {"_type": "image-file", "path": "media/a.png"}


def test_the_items_of_a_table_are_those_of_its_artifact(run: Run, tmp_path: Path) -> None:
    run.hold("t.table.json", {"columns": ["a", "a", "b"], "data": [[PICTURE, {"k": [PICTURE, PICTURE]}, "x"]]})
    (tmp_path / "t.json").write_text(json.dumps({"columns": ["a", "a", "b"], "data": [["Image", {}, "Image"]]}))
    found = run.log({"_type": "table-file", "path": "t.json", "artifact_path": f"{URI}t.table.json"})
    assert found == {("t", "a"): ["row 0"], ("t", "a (2)"): ["row 0, 1 of 2", "row 0, 2 of 2"]}


def test_without_it_the_names_of_kinds_are_all_there_is(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(json.dumps({"columns": ["a"], "data": [[["Image", "Html"]], ["x"]]}))
    found = run.log({"_type": "table-file", "path": "t.json", "artifact_path": f"{URI}t.table.json"})
    assert found == {("t", "a"): ["row 0, 1 of 2", "row 0, 2 of 2"]}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.joined-table.json", {"table1": "a", "table2": "b", "join_key": [{}, []]}),
        ("t.joined-table.json", {"table1": ["a"], "table2": None, "join_key": "id"}),
        ("t.joined-table.json", {"table1": "short", "table2": "whole", "join_key": "id"}),
        ("t.joined-table.json", []),
        ("t.partitioned-table.json", {"parts_path": None}),
        ("t.partitioned-table.json", {"parts_path": "p"}),
        ("t.partitioned-table.json", "p"),
    ],
)
def test_broken_tables_are_unknown(run: Run, name: str, content: Any) -> None:
    run.hold(name, content)
    run.hold("short", {"columns": ["id"], "data": [[]]})
    run.hold("whole", {"columns": ["id"], "data": [["1"]]})
    run.hold("p/1.table.json", {"columns": ["id"], "data": [["1"]]})
    run.hold("p/2.table.json", {"columns": ["other"], "data": [["1"]]})
    kind = name.partition(".")[2].removesuffix(".json")
    assert run.log({"_type": kind, "artifact_path": URI + name}) == {}
    _, unknown = with_cells(run.recorded, Artifacts(run.recorded.of_artifacts))
    assert unknown == {("t",)}


def test_a_path_does_not_leave_the_folder_that_an_item_is_laid_out_in(run: Run, tmp_path: Path) -> None:
    for path in ("../out.png", "/out.png", "media/a.png"):
        run.hold(path, b"picture")
    artifacts = Artifacts(run.recorded.of_artifacts)
    for path in ("../out.png", "/out.png", ["a"], None, "media/a.png", "gone", "\0"):
        item = {"_type": "image-file", "path": path, "_artifact": "id", "classes": 5, "boxes": {"../b": [{}]}}
        item["masks"] = {"m": {"path": path}, "n": 7}
        with artifacts.laid_out(item, "im") as (folder, plain, labels):
            files = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
            assert files == {"0.boxes.json"} | ({"media/a.png"} if path == "media/a.png" else set())
            assert plain["boxes"] == {"../b": {"path": "0.boxes.json"}} and labels[("im", "m")] == {}
        assert not folder.exists() and not (folder.parent / "out.png").exists()

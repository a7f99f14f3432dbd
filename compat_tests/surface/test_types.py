"""Type checkers see wandb's types through `wandb_swan`: they say the same of a script with either import."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
import wandb

import wandb_swan

SCRIPT = """
from __future__ import annotations
import wandb
from wandb.sdk.wandb_run import Run

def train(run: wandb.Run, table: wandb.Table) -> float:
    run.log({"loss": 0.5, "table": table}, step=3)
    run.config.update({"lr": 0.1})
    run.summary["best"] = 1
    wandb.log({"image": wandb.Image("a.png", caption="x")})
    wandb.config.lr = 0.1
    reveal_type(wandb.run)
    reveal_type(wandb.config)
    reveal_type(wandb.Artifact("name", "type").add_file("x"))
    reveal_type(wandb.__version__)
    return run.step

run = wandb.init(project="p", config={"lr": 0.1}, mode="offline", tags=["a"], settings=wandb.Settings(silent=True))
reveal_type(run)
same: Run = run
train(run, wandb.Table(columns=["a"], data=[[1]]))
wandb.plot.line(wandb.Table(), "x", "y")
try:
    wandb.Api().run("a/b/c")
except wandb.Error:
    wandb.finish()

run.log({"loss": 1}, step="three")
run.log([1])
wandb.init(projct="p")
wandb.init(mode="nowhere")
wandb.Image(caption=3)
wandb.no_such_name
"""
OURS = """
import wandb_swan

wandb_swan.sync_wandb()
wandb_swan.sync_wandb(mode="cloud", wandb_run=False, workspace="w", log_dir="d")
run: wandb_swan.Run = wandb_swan.init(
    project="p", wandb_run=False, swanlab_mode="local", swanlab_project="p", swanlab_workspace="w", swanlab_log_dir="d"
)
version: str = wandb_swan.__swan_version__
wandb_swan.init(swanlab_mode="nowhere")
wandb_swan.sync_wandb(mode=3)
"""
CHECKERS = {
    "mypy": ["-m", "mypy", "--strict", "--no-incremental", "--no-error-summary"],
    "basedpyright": ["-m", "basedpyright", "--level", "error", "--pythonpath", sys.executable],
}


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_typed_script(checker: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(checker) is None:
        pytest.skip(f"{checker} is not installed")
    ours = SCRIPT.replace("import wandb\n", "import wandb_swan as wandb\n")
    scripts = {"theirs.py": SCRIPT, "ours.py": ours, "more.py": OURS}
    for name, text in scripts.items():
        (tmp_path / name).write_text(text)
    command = [sys.executable, *CHECKERS[checker], *scripts]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    told: dict[str, list[str]] = {name: [] for name in scripts}
    for line in done.stdout.splitlines():
        if found := re.search(r"(\w+\.py):(\d+.*)", line):
            told[found[1]].append(found[2].replace("wandb_swan", "wandb"))
    assert told["ours.py"] == told["theirs.py"]
    wrong = SCRIPT[: SCRIPT.index('run.log({"loss": 1}')].count("\n") + 1
    errors = {int(re.match(r"\d+", line)[0]) for line in told["ours.py"] if "error" in line}  # type: ignore[index]
    assert set(range(wrong, wrong + 6)) <= errors, done.stdout + done.stderr
    ours_wrong = [int(re.match(r"\d+", line)[0]) for line in told["more.py"] if "error" in line]  # type: ignore[index]
    assert ours_wrong == [10, 11], told["more.py"]


def stub_names(path: Path) -> dict[str, ast.stmt]:
    names: dict[str, ast.stmt] = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names[node.name] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names[node.target.id] = node
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname: node for alias in node.names if alias.asname}
    return names


def test_the_stub_exports_what_wandbs_stub_exports() -> None:
    theirs = Path(wandb.__file__).with_suffix(".pyi")
    tree = ast.parse(theirs.read_text())
    exported = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__"
    )
    defined = {name for name in stub_names(theirs) if not name.startswith("_")}
    ours = stub_names(Path(wandb_swan.__file__).with_suffix(".pyi"))
    assert {*exported, *defined} - {"UNSET", "DoNotSet"} <= ours.keys()


def test_the_stub_of_init_is_its_signature() -> None:
    node = stub_names(Path(wandb_swan.__file__).with_suffix(".pyi"))["init"]
    assert isinstance(node, ast.FunctionDef)
    told = [argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)]
    real = list(inspect.signature(wandb_swan.init).parameters)
    assert set(told) == set(real)
    assert told == real or "anonymous" in told  # the place of this deprecated one depends on wandb's version

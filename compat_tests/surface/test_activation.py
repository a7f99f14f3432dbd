"""Training code that nobody edited: `WANDB_SWAN=1`, `wandb-swan run`, `sync_wandb()`, in every way to start Python."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
import swanlab
from click.testing import CliRunner

import wandb_swan
from compat_tests.conftest import Record, Recorded, clean_environment, wait_for_mirrors
from compat_tests.stores import SwanStore, assert_same_values
from wandb_swan.__main__ import main

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
TRAIN = """
import wandb
run = wandb.init(project="unedited", config={"lr": 0.1})
for i in range(3):
    wandb.log({"loss": 1 / (i + 1), "note": f"step {i}"})
wandb.finish()
"""
RUN = ("-m", "wandb_swan", "run")


def assert_mirrored(result: Recorded) -> None:
    wandb, swan = result.pair()
    assert len(wandb.rows) == 3
    assert_same_values(wandb, swan)
    assert swan.config["lr"] == 0.1
    assert swan.state == "finished"
    assert len(result.statuses) == 1, "the mirror was mirrored"


@pytest.mark.parametrize(
    "python",
    [
        pytest.param(("-m", "train"), id="-m"),
        pytest.param(("-c", TRAIN), id="-c"),
        pytest.param(("-m", "IPython"), id="IPython"),
        pytest.param((*RUN, "bash", "-c", '"$0" "$1"', sys.executable), id="wandb-swan run a shell"),
    ],
)
def test_unedited(record: Record, python: tuple[str, ...]) -> None:
    if "IPython" in python:
        pytest.importorskip("IPython")
    assert_mirrored(record(TRAIN, python=python, WANDB_SWAN=None if "run" in python else "1"))


def test_a_program_that_changes_its_folder_before_it_imports_wandb(record: Record) -> None:
    """Hydra does, before its `main` runs: what is said works in the folder where the program was started."""
    result = record("import os\nos.makedirs('sub')\nos.chdir('sub')\n" + TRAIN, WANDB_SWAN="1")
    (said,) = [line for line in result.stderr.splitlines() if "`swanlab sync " in line]
    (folder,) = result.dir.rglob("run-*/run-*.swanlab")
    assert f"`swanlab sync {folder.parent}`" in said


def test_sync_wandb(record: Record) -> None:
    result = record("import wandb_swan\nwandb_swan.sync_wandb(mode='offline', log_dir='elsewhere')\n" + TRAIN)
    assert not (result.dir / "swanlog").exists()
    (result.dir / "elsewhere").rename(result.dir / "swanlog")
    wait_for_mirrors(result.dir)
    assert_mirrored(result)


def test_sync_wandb_has_swanlabs_signature() -> None:
    theirs = inspect.signature(swanlab.sync_wandb).parameters
    ours = inspect.signature(wandb_swan.sync_wandb).parameters
    assert list(ours) == [*theirs, "python"] and ours["python"].kind is inspect.Parameter.KEYWORD_ONLY
    assert all(ours[name].kind == parameter.kind for name, parameter in theirs.items())


PEERS = {
    "before wandb": "import swanlab\nswanlab.sync_wandb(mode='offline')\n" + TRAIN,
    "after wandb": "import wandb, swanlab\nswanlab.sync_wandb(wandb_run=True)\n" + TRAIN,
    "by name": "from swanlab import sync_wandb\nimport wandb\nsync_wandb()\n" + TRAIN,
    "in a running run": TRAIN.replace("for i", "import swanlab\nswanlab.sync_wandb(mode='offline')\nfor i"),
    "ours too late": "import swanlab\nswanlab.sync_wandb(mode='offline')\nimport wandb_swan\n" + TRAIN,
    "ours and theirs": "from swanlab import sync_wandb\nimport wandb_swan\nsync_wandb('offline')\n" + TRAIN,
}


@pytest.mark.parametrize("script", PEERS)
def test_swanlabs_own_call_is_ours(record: Record, script: str) -> None:
    """A program that was written for `swanlab.sync_wandb()` is mirrored by us, once, and sees no difference."""
    result = record(PEERS[script], WANDB_SWAN=None if "ours" in script else "1")
    assert_mirrored(result)
    said = [line for line in result.stderr.splitlines() if line.startswith("wandb_swan: ")]
    assert len(said) == 2 + ("running" in script), said


def test_what_such_a_program_logs_to_swanlab_itself(record: Record) -> None:
    """SwanLab's call opens a run in the process; without one `swanlab.log()` would raise."""
    script = """
import swanlab, wandb
swanlab.sync_wandb(mode="offline")
for n in range(2):
    run = wandb.init(project="p", name=f"run {n}")
    run.log({"loss": 0.5})
    swanlab.log({"more": n, "text": swanlab.Text("kept")})
    run.finish()
    swanlab.finish()
try:
    swanlab.log({"late": 1})
except RuntimeError:
    print("no run")
run = wandb.init(project="p", name="run 2")
swanlab.log({"more": 2})
swanlab.finish()
own = swanlab.init(project="p", name="own", mode="offline")
run.log({"loss": 0.5})
run.finish()
swanlab.log({"mine": 3})
assert swanlab.get_run() is own
"""
    result = record(script, WANDB_SWAN="1")
    assert "no run" in result.stdout
    stores = [SwanStore.read(path) for path in result.swan_dirs()]
    found = sorted((store.start.name, key, values[0]) for store in stores for key, values in store.scalars.items())
    logged = [(f"run {n}", key, value) for n in range(3) for key, value in (("loss", 0.5), ("more", n))]
    assert found == sorted([*logged, ("own", "mine", 3)])
    assert result.stderr.count("goes to a SwanLab run of its own") == 3


def test_the_arguments_of_swanlabs_own_call(record: Record) -> None:
    script = (
        "import swanlab\nswanlab.sync_wandb('local', wandb_run=False, workspace='w', log_dir='elsewhere')\n" + TRAIN
    )
    result = record(script, WANDB_SWAN="1", WANDB_MODE="online")
    (result.dir / "elsewhere").rename(result.dir / "swanlog")
    wait_for_mirrors(result.dir)
    assert_mirrored(result)
    assert result.statuses[0]["mode"] == "local" and "offline-run-" in result.wandb_dirs[0].name
    disabled = record("import swanlab\nswanlab.sync_wandb(mode='disabled')\n" + TRAIN, WANDB_SWAN="1")
    assert "wandb_swan" not in disabled.stderr and len(disabled.statuses) == 1


def test_swanlabs_own_call_without_the_toggle_is_theirs(record: Record) -> None:
    script = "import swanlab\nassert swanlab.sync_wandb.__defaults__[0] == 'online'\n"
    record(script)
    record("import wandb_swan\n" + script, WANDB_SWAN="0")
    record("import wandb_swan.capture, sys\nwandb_swan.capture.uninstall()\n" + script)
    record("import swanlab, wandb_swan.capture\nwandb_swan.capture.uninstall()\n" + script)


def test_swanlab_alone_under_the_toggle(record: Record) -> None:
    script = "import swanlab, sys\nassert not {'wandb', 'wandb_swan'} & set(sys.modules), 'wandb was imported'"
    assert record(script, WANDB_SWAN="1").stderr == ""


def test_switched_off(record: Record) -> None:
    script = (
        TRAIN
        + "import wandb_swan\nwandb_swan.sync_wandb()"
        + TRAIN
        + TRAIN.replace("import wandb", "import wandb_swan as wandb")
    )
    result = record(script, WANDB_SWAN="0")
    assert len(result.wandb_dirs) == 3
    assert not (result.dir / "swanlog").exists()
    assert "wandb_swan" not in result.stderr


def test_plain_wandb_without_the_switch(record: Record) -> None:
    result = record("import wandb, sys\nassert not [name for name in sys.modules if 'swan' in name]")
    assert result.stderr == ""


def test_the_hook_waits_for_wandb_and_leaves_no_trace(record: Record) -> None:
    record(
        """
import sys
assert "wandb" not in sys.modules and "wandb_swan" not in sys.modules
import json, logging, multiprocessing
assert "wandb" not in sys.modules
try:
    import wandb.nonsense
except ModuleNotFoundError:
    pass
import wandb, wandb_swan
assert wandb_swan.capture.installed()
assert set(wandb.__spec__.loader.__dict__) == {"name", "path"}, wandb.__spec__.loader.__dict__
assert [f.name for f in sys.meta_path if type(f).__name__ == "AwaitedImport"] == ["swanlab.converter.wb.sync"]
import swanlab
assert not [f for f in sys.meta_path if type(f).__name__ == "AwaitedImport"]
""",
        WANDB_SWAN="1",
    )


def test_a_wandb_that_cannot_be_imported(record: Record) -> None:
    result = record(
        """
import os, pathlib, sys
folder = pathlib.Path("broken/wandb")
folder.mkdir(parents=True)
(folder / "__init__.py").write_text("raise ImportError('broken wandb')")
sys.path.insert(0, "broken")
for _ in range(2):
    try:
        import wandb
    except ImportError as error:
        print(error)
sys.path.remove("broken")
import wandb, wandb_swan
assert wandb_swan.capture.installed()
""",
        WANDB_SWAN="1",
    )
    assert result.stdout == "broken wandb\nbroken wandb\n"
    assert result.stderr == ""


@pytest.mark.parametrize("broken", ["__init__.py", "capture/autoload.py", "capture/__init__.py"])
def test_our_own_failure_costs_one_line(tmp_path: Path, broken: str) -> None:
    """A half-removed or damaged installation: the program runs, wandb works."""
    package = tmp_path / "path" / "wandb_swan"
    (package / "capture").mkdir(parents=True)
    autoload = ROOT / "wandb_swan" / "capture" / "autoload.py"
    for name in ("__init__.py", "capture/__init__.py", "capture/autoload.py"):
        text = autoload.read_text() if name.endswith("autoload.py") else ""
        (package / name).write_text("1 / 0" if name == broken else text)
    done = subprocess.run(
        [sys.executable, "-c", "import wandb; print(wandb.__version__)"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env=clean_environment(tmp_path, WANDB_SWAN="1", PYTHONPATH=str(tmp_path / "path")),
    )
    assert done.returncode == 0
    assert done.stdout
    assert done.stderr.startswith("wandb_swan: not active, wandb works alone (")
    assert done.stderr.count("\n") == 1


def test_children_inherit_it(record: Record) -> None:
    """One run in the parent, one in a child of each kind; all mirrored, each once."""
    result = record(
        """
import multiprocessing, subprocess, sys

def train(name):
    import wandb
    with wandb.init(project="family", id=name) as run:
        run.log({"who": name, "n": len(name)})

if __name__ == "__main__":
    for method in ("spawn", "fork"):
        child = multiprocessing.get_context(method).Process(target=train, args=(method,))
        child.start()
        child.join()
        assert child.exitcode == 0
    train("parent")
    subprocess.run([sys.executable, "-c", "import train; train.train('subprocess')"], check=True)
""",
        WANDB_SWAN="1",
        WANDB_SWAN_FINISH_TIMEOUT="0.01",
    )
    pairs = result.pairs()
    assert sorted(pairs) == ["fork", "parent", "spawn", "subprocess"]
    assert len(result.statuses) == 4
    for name, (wandb, swan) in pairs.items():
        assert swan.texts("who") == {0: name}
        assert_same_values(wandb, swan)


NOTEBOOK = """
import nbformat, sys
from nbclient import NotebookClient
cells = [
    "import {module} as wandb",
    "run = wandb.init(project='unedited', config={{'lr': 0.1}})",
    "for i in range(3):\\n    wandb.log({{'loss': 1 / (i + 1), 'note': f'step {{i}}'}})",
    "print('hello from a cell')",
    "wandb.finish()",
]
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
"""


@pytest.mark.parametrize("module", ["wandb", "wandb_swan"])
def test_a_notebook(record: Record, module: str) -> None:
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    switch = "1" if module == "wandb" else None
    assert_mirrored(record(NOTEBOOK.format(module=module), WANDB_SWAN=switch, JUPYTER_PLATFORM_DIRS="1"))


def test_run_sets_the_switches(tmp_path: Path) -> None:
    options = [
        *("--mode", "local", "--no-wandb-run", "--workspace", "w", "--project", "p"),
        *("--log-dir", "logs", "--journal-dir", "/j", "--finish-timeout", "5"),
    ]
    show = "import os, json; print(json.dumps({k: v for k, v in os.environ.items() if k.startswith('WANDB_SWAN')}))"
    done = subprocess.run(
        [sys.executable, *RUN, *options, sys.executable, "-c", show],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env=clean_environment(tmp_path, WANDB_SWAN="0", WANDB_SWAN_MODE="offline"),
    )
    import json

    assert json.loads(done.stdout) == {
        "WANDB_SWAN": "1",
        "WANDB_SWAN_MODE": "local",
        "WANDB_SWAN_WANDB_RUN": "False",
        "WANDB_SWAN_WORKSPACE": "w",
        "WANDB_SWAN_PROJECT": "p",
        "WANDB_SWAN_LOG_DIR": str(tmp_path / "logs"),
        "WANDB_SWAN_JOURNAL_DIR": "/j",
        "WANDB_SWAN_FINISH_TIMEOUT": "5.0",
    }


def test_run_is_the_program(tmp_path: Path) -> None:
    """Same process, its own exit code and its own arguments."""
    program = "import os, sys; print(os.getppid(), sys.argv[1:]); sys.exit(7)"
    done = subprocess.run(
        [sys.executable, *RUN, sys.executable, "-c", program, "--lr", "3", "--help", "--", "x"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert done.returncode == 7
    assert done.stdout == f"{os.getpid()} ['--lr', '3', '--help', '--', 'x']\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["no-such-program"], 127, "wandb-swan run: no-such-program: No such file or directory\n"),
        (["--", str(ROOT)], 126, f"wandb-swan run: {ROOT}: Permission denied\n"),
        ([], 2, "Missing argument 'PROGRAM...'"),
        (["--mode", "nowhere", "true"], 2, "'nowhere' is not one of 'online', 'cloud', 'local'"),
        (["--finish-timeout", "-1", "true"], 2, "-1"),
    ],
)
def test_run_errors(
    arguments: list[str], code: int, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    done = CliRunner().invoke(main, ["run", *arguments])
    assert done.exit_code == code
    assert message in done.output


@pytest.mark.parametrize("kind", ["wheel", "editable"])
def test_the_installed_package_activates(tmp_path: Path, kind: str) -> None:
    """What pip puts into a fresh virtual environment; only the dependencies are borrowed from this one."""
    pytest.importorskip("hatchling")
    pytest.importorskip("editables")
    if not (ROOT / "pyproject.toml").exists():
        pytest.skip("not a source tree")
    build = f"import hatchling.build as b; print(b.build_{kind}({str(tmp_path)!r}))"
    done = subprocess.run([sys.executable, "-c", build], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    fresh = tmp_path / "venv"
    venv.create(fresh, symlinks=os.name != "nt")
    installed = next(fresh.glob("[Ll]ib/**/site-packages"))
    with zipfile.ZipFile(tmp_path / done.stdout.split()[-1]) as wheel:
        wheel.extractall(installed)
    borrowed = [path for path in sys.path if path.endswith("site-packages")]
    (installed / "zz_borrowed.pth").write_text("\n".join(borrowed))
    python = fresh / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    work = tmp_path / "work"
    work.mkdir()
    done = subprocess.run(
        [python, "-c", TRAIN + "\nimport wandb_swan; print(wandb_swan.__file__)"],
        cwd=work,
        env=clean_environment(tmp_path, WANDB_SWAN="1"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    wait_for_mirrors(work)
    result = Recorded(work, done.returncode, done.stdout, done.stderr)
    assert done.returncode == 0, result.explain()
    assert_mirrored(result)
    assert Path(done.stdout.split()[-1]).is_relative_to(installed if kind == "wheel" else ROOT)

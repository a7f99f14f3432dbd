"""The project's own files: what is said twice is the same, and their hosts and tools can read them."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SCHEMAS = {
    "vendor.github-workflows": WORKFLOWS,
    "vendor.github-issue-forms": sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[0-9]*.yml")),
    "vendor.github-issue-config": [ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml"],
    "vendor.dependabot": [ROOT / ".github" / "dependabot.yml"],
}


def read(file: Path) -> Any:
    return yaml.safe_load(file.read_text("utf-8"))


def said(command: str) -> str:
    """A command without the folder of its program."""
    program, *rest = shlex.split(command)
    return shlex.join([Path(program).name, *rest])


def steps(name: str) -> list[str]:
    """What the steps of a workflow run."""
    jobs = read(ROOT / ".github" / "workflows" / name)["jobs"].values()
    return [step["run"] for job in jobs for step in job["steps"] if "run" in step]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_their_host_can_read_them(schema: str) -> None:
    assert SCHEMAS[schema]
    command = [Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", schema, *SCHEMAS[schema]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_pre_commit_runs_what_make_lint_runs() -> None:
    recipe = re.search(r"^lint: .*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert recipe is not None
    lint = [said(one) for line in recipe[1].splitlines() for one in line.replace("$(BIN)/", "").split("&&")]
    (local,) = read(ROOT / ".pre-commit-config.yaml")["repos"]
    assert [said(hook["entry"]) for hook in local["hooks"]] == lint
    assert all(hook["always_run"] and not hook["pass_filenames"] for hook in local["hooks"])
    command = [sys.executable, "-m", "pre_commit", "validate-config", ROOT / ".pre-commit-config.yaml"]
    subprocess.run(command, check=True, timeout=60)


def test_the_workflow_runs_what_ci_runs() -> None:
    """`.ci/run`: `make test`, and the environments of tox's label `quick`."""
    ours = (ROOT / ".ci" / "run").read_text("utf-8")
    assert "\nmake test\n" in ours and "-m quick" in ours
    assert "make test" in steps("ci.yml")
    tox = [sys.executable, "-m", "tox", "list", "-m", "quick", "--no-desc", "-q"]
    listed = subprocess.run(tox, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60).stdout.split()
    matrix = read(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["quick"]["strategy"]["matrix"]
    assert matrix["env"] == listed


def test_every_command_of_a_workflow_is_there() -> None:
    """Paths and environments that the workflows name exist."""
    for name in (file.name for file in WORKFLOWS):
        for step in steps(name):
            for path in re.findall(r"compat_tests/[\w/.]+", step):
                assert (ROOT / path).exists(), f"{name}: {path}"
    tox = (ROOT / "tox.ini").read_text("utf-8")
    assert "[testenv:prereleases]" in tox and "python -m tox run -e prereleases" in steps("nightly.yml")


def test_no_workflow_may_do_more_than_it_needs() -> None:
    """Nothing but the publication may get a token, and that one from PyPI alone."""
    for file in WORKFLOWS:
        workflow = read(file)
        assert workflow["permissions"] == {"contents": "read"}, file.name
        more = {name: job["permissions"] for name, job in workflow["jobs"].items() if "permissions" in job}
        assert more == ({"publish": {"id-token": "write"}} if file.name == "release.yml" else {}), file.name
        assert "secrets." not in file.read_text("utf-8")

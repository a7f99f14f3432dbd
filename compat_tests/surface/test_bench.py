"""The benchmarks work, at sizes that say nothing of the time: every figure is measured, checked, and shown."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench import results
from bench.figures import BY_KEY, FIGURES, SUBJECTS, Figure, shown
from bench.frame import Row, Spread, compared, interleaved
from bench.page import CHINESE, MARKS, ROOT, extract, filled, pages, whole


def bench(module: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=290)


def row(figure: Figure, value: float) -> Row:
    return Row(figure.key, value, {"bare": Spread(1.0, 2.0, 3), "mirrored": Spread(value, 2 * value, 3)})


def test_a_subject_is_measured_and_what_falls_short_is_named(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    results.write(file, [row(BY_KEY["delay"], 0.05), row(BY_KEY["help"], 77.0)], load=0.0)
    done = bench("bench", "startup", "--tiny", "--rounds", "1", "--json", file)
    assert done.returncode == 0, done.stderr
    found, rows = results.read(file)
    values = {row.key: row.value for row in rows}
    assert list(values) == ["delay", "pth", "help", "status"], "in their order, and other subjects stay"
    assert values["delay"] == 0.05 and 0 < values["help"] < 77
    assert found["machine"]["cores"] == os.cpu_count() and set(found["versions"]) >= {"wandb", "swanlab", "python"}
    for title in ("`wandb-swan --help`", "`wandb-swan status`"):
        assert title in done.stdout

    done = bench("bench.check", file)
    assert done.returncode == 1 and "init: not measured" in done.stdout and "delay:" not in done.stdout


@pytest.mark.slow
@pytest.mark.live
@pytest.mark.timeout(900)
@pytest.mark.parametrize("subject", [subject for subject in SUBJECTS if subject != "startup"])
def test_each_subject_alone(subject: str, tmp_path: Path) -> None:
    if subject == "view" and not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        pytest.skip("no Chromium here")
    file = tmp_path / "results.json"
    done = bench("bench", subject, "--tiny", "--rounds", "1", "--json", file)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = results.read(file)[1]
    assert [row.key for row in rows] == [figure.key for figure in FIGURES if figure.subject == subject]
    assert all(spread.samples for row in rows for spread in row.sides.values())


def test_a_subject_that_is_not_there() -> None:
    done = bench("bench", "spelling")
    assert done.returncode == 2 and "there is no spelling" in done.stderr


def test_goals(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    results.write(file, [row(figure, figure.goal) for figure in FIGURES], load=0.0)
    done = bench("bench.check", file)
    assert done.returncode == 0 and done.stdout == f"{len(FIGURES)} of {len(FIGURES)} goals are reached\n"

    worse = {"at most": 1.1, "at least": 0.9}
    results.write(file, [row(figure, figure.goal * worse[figure.bound]) for figure in FIGURES], load=0.0)
    done = bench("bench.check", file)
    lines = done.stdout.splitlines()
    assert done.returncode == 1 and len(lines) == len(FIGURES) + 1
    assert "convert_fast: 2.70 x, at least 3.00 x; " in done.stdout

    done = bench("bench.check", tmp_path / "none.json")
    assert done.returncode == 1 and "is not there: type `make bench`" in done.stderr


def test_rows_of_another_machine_do_not_stay(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    results.write(file, [row(BY_KEY["delay"], 0.05)], load=0.0)
    known = json.loads(file.read_text())
    known["machine"]["cores"] = 1000
    file.write_text(json.dumps(known))
    done = bench("bench", "startup", "--tiny", "--json", file)
    assert done.returncode == 2 and "is of another machine or other versions" in done.stderr
    results.write(file, [row(BY_KEY["help"], 0.2)], load=0.0)
    assert [row.key for row in results.read(file)[1]] == ["help"]


def test_a_round_is_compared_with_itself() -> None:
    """A machine that is ten times as slow for one round of three."""
    measured = {"bare": [[1.0], [10.0], [1.0]], "mirrored": [[1.1], [11.0], [1.1]]}
    made = compared("log_median", measured)
    assert made.value == pytest.approx(1.1) and made.sides["bare"].samples == 3
    turns: list[str] = []
    interleaved(2, {"bare": lambda: turns.append("bare"), "mirrored": lambda: turns.append("mirrored")})
    assert turns == ["bare", "mirrored", "mirrored", "bare"]


def test_figures_are_shown_in_their_size() -> None:
    values = (shown(0.0532, "s"), shown(9.7e-6, "s"), shown(1.5, "s"), shown(1.044, "x"), shown(81234.5, "points/s"))
    assert values == ("53 ms", "9.7 us", "1.50 s", "1.04 x", "81,234 points/s")
    assert shown(-9.7e-6, "s") == "-9.7 us" and shown(0.0, "s") == "0.0 us"


def test_pages_are_made_of_results(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    results.write(file, [row(figure, figure.goal) for figure in FIGURES], load=0.25)
    found, rows = results.read(file)
    page = filled(f"before\n{MARKS[0]}\nold\n{MARKS[1]}\nafter\n", whole(found, rows))
    assert page.startswith("before\n") and page.endswith("after\n") and "old" not in page
    for figure in FIGURES:
        assert f"| {figure.title} | {shown(figure.goal, figure.unit)} |" in page
    english, chinese = (extract(found, rows, chinese=chinese) for chinese in (False, True))
    assert english.count("\n|") == chinese.count("\n|") == len(CHINESE) + 1
    with pytest.raises(ValueError):
        filled("no marks", "text")
    assert {path.name for path in pages(file)} == {"benchmarks.md", "README.md", "README.zh-CN.md"}, (
        "each has its marks"
    )


def test_pages_have_the_results_that_are_kept() -> None:
    """`make bench-page` was run after `make bench`."""
    if not results.PATH.exists():
        pytest.skip("nothing was measured")
    assert {path: path.read_text("utf-8") for path in pages(results.PATH)} == pages(results.PATH)

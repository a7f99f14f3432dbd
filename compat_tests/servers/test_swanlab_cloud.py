"""The stand-in for SwanLab's cloud against the real SwanLab SDK, which runs in processes of its own."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from werkzeug.wrappers import Request, Response

from .faults import LoopbackServer
from .swanlab_cloud import SwanLabCloud

METRICS = "/house/metrics$"
LOGIN = "/login/api_key$"
SCALARS = b'"type": "scalar"'
INIT = 'swanlab.init(project="p", mode="online", id="r1", resume="allow")'
TWO_STEPS = f"{INIT}; swanlab.log({{'a': 0}}); input(); swanlab.log({{'a': 1}}); swanlab.finish()"


@pytest.fixture
def cloud() -> Iterator[SwanLabCloud]:
    before = set(threading.enumerate())
    with SwanLabCloud() as running:
        yield running
        running.heal()
    assert not running.errors
    assert not running.unknown
    assert set(threading.enumerate()) <= before


def start(cloud: SwanLabCloud, folder: Path, code: str) -> subprocess.Popen[str]:
    """Start a script that has SwanLab imported; its output is one stream, and `input()` waits for `proceed`."""
    env = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder), "SWANLAB_PROBE_MONITOR": "false"}
    return subprocess.Popen(
        [sys.executable, "-c", "import os, sys, time, swanlab\n" + textwrap.dedent(code)],
        cwd=folder,
        env=env | cloud.env(folder / "home"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def proceed(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def end(process: subprocess.Popen[str], seconds: float = 60) -> str:
    """The script's output, once it has ended; its exit code is in the process."""
    try:
        return process.communicate(timeout=seconds)[0]
    finally:
        process.kill()
        process.communicate()


def run(cloud: SwanLabCloud, folder: Path, code: str, exit_code: int = 0) -> str:
    process = start(cloud, folder, code)
    output = end(process)
    assert process.returncode == exit_code, output
    return output


def sync(cloud: SwanLabCloud, folder: Path, *options: str) -> str:
    """`swanlab sync` of the one run in this folder."""
    (run_dir,) = folder.glob("swanlog/run-*")
    return run(
        cloud, folder, f"from swanlab.cli import cli; sys.argv = {['swanlab', 'sync', *options, str(run_dir)]}; cli()"
    )


# ---------------------------------------------------------------------- what a run sends
def test_everything_of_a_run_arrives(cloud: SwanLabCloud, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"keep me")
    (tmp_path / "big.bin").write_bytes(bytes(range(256)) * 40)
    pixi = tmp_path / "pixi"  # whom SwanLab asks first for the packages; on a busy machine pip is too late for it
    pixi.write_text("#!/bin/sh\necho torch==2.13.0\n")
    pixi.chmod(0o755)
    run(
        cloud,
        tmp_path,
        """
        import numpy as np
        from swanlab import echarts
        run = swanlab.init(
            project="p", workspace="team", mode="online", id="r1", resume="allow", name="first", description="why",
            tags=["a", "b"], group="g", job_type="train", config={"lr": 0.1, "net": {"width": [1, 2]}},
            settings=swanlab.Settings(core={"save_split": 5000, "save_part": 4000}),
        )
        for i in range(3):
            swanlab.log({"loss": 1 / (i + 1), "odd": [0.0, float("nan"), float("inf")][i]})
        image = swanlab.Image(np.zeros((8, 8, 3), dtype="uint8"), caption="black")
        chart = echarts.Bar()
        chart.add_xaxis(["x"])
        chart.add_yaxis("y", [1])
        swanlab.log({"img": image, "txt": swanlab.Text("hello"), "bar": chart}, step=7)
        print("seen on the console")
        swanlab.save("notes.txt", policy="now")
        swanlab.save("big.bin", policy="end")
        swanlab.finish()
        """,
    )
    kept = cloud.experiment("r1")
    assert list(cloud.projects) == ["team/p"]
    assert (kept.name, kept.description, kept.tags, kept.group, kept.job_type) == (
        "first",
        "why",
        ["a", "b"],
        "g",
        "train",
    )
    assert kept.config == {"lr": 0.1, "net": {"width": [1, 2]}}
    assert kept.metrics["loss"] == {0: 1.0, 1: 0.5, 2: 1 / 3}
    assert [math.isnan(value) for value in kept.metrics["odd"].values()] == [False, True, True]
    assert all(time.time() - 60 < at < time.time() for _, at in kept.scalars["loss"].values())
    (image,) = kept.media["img"][7]
    assert (image.caption, image.filename[-4:], (image.data or b"")[:4]) == ("black", ".png", b"\x89PNG")
    assert [item.data for item in kept.media["txt"][7]] == [b"hello"]
    assert b'"bar"' in (kept.media["bar"][7][0].data or b"")
    assert {key: column["type"] for key, column in kept.columns.items()} == {
        "loss": "FLOAT",
        "odd": "FLOAT",
        "img": "IMAGE",
        "txt": "TEXT",
        "bar": "ECHARTS",
    }
    assert "seen on the console" in kept.lines
    assert kept.files == {"notes.txt": b"keep me", "big.bin": bytes(range(256)) * 40}
    assert kept.metadata["runtime"]
    assert kept.requirements.strip() == "torch==2.13.0"
    assert kept.heartbeats
    assert kept.states == ["RUNNING", "FINISHED"]
    assert (kept.duplicate_points, kept.late_points) == ([], 0)
    assert cloud.api_key not in repr(cloud.requests)


def test_an_exception_is_a_crash_and_its_traceback_a_line(cloud: SwanLabCloud, tmp_path: Path) -> None:
    run(cloud, tmp_path, f"{INIT}; swanlab.log({{'a': 1}}); raise RuntimeError('boom')", exit_code=1)
    assert cloud.experiment("r1").state == "CRASHED"
    assert "RuntimeError: boom" in cloud.experiment("r1").lines[-1]


def test_servers_without_views_get_columns_per_experiment(tmp_path: Path) -> None:
    with SwanLabCloud(version=None) as old:
        run(old, tmp_path, f"{INIT}; swanlab.log({{'a': 1}}); swanlab.finish()")
        assert old.experiment().columns["a"]["type"] == "FLOAT"
        assert old.count("/columns$", 201) == 1


# ---------------------------------------------------------------------- resume, sync, read back
def test_a_resume_goes_on_at_the_next_step_and_sends_no_step_again(cloud: SwanLabCloud, tmp_path: Path) -> None:
    run(cloud, tmp_path, f"{INIT}; [swanlab.log({{'a': i}}) for i in range(3)]; print('one'); swanlab.finish()")
    run(
        cloud,
        tmp_path,
        """
        swanlab.init(project="p", mode="online", id="r1", resume="must")
        swanlab.log({"a": 30})
        swanlab.log({"a": 10}, step=1)
        swanlab.log({"late": 1}, step=1)
        print("two")
        swanlab.finish()
        """,
    )
    kept = cloud.experiment("r1")
    assert kept.metrics == {"a": {0: 0, 1: 1, 2: 2, 3: 30}, "late": {1: 1}}
    assert (kept.duplicate_points, len(kept.opened), kept.heartbeats[1:]) == ([], 2, kept.heartbeats[1:2])
    assert kept.states == ["RUNNING", "FINISHED", "RUNNING", "FINISHED"]
    epochs = [line.epoch for line in kept.console]
    assert epochs == list(range(1, len(epochs) + 1))
    assert kept.lines.index("one") < kept.lines.index("two")


def test_a_resume_before_the_server_has_counted_sends_steps_again(tmp_path: Path) -> None:
    with SwanLabCloud(summary_lag=60) as slow:
        for value in (1, 2):
            run(slow, tmp_path, f"{INIT}; swanlab.log({{'a': {value}}}); swanlab.finish()")
        ((key, step, first, later),) = slow.experiment("r1").duplicate_points
        assert (key, step, first[0], later[0]) == ("a", 0, 1, 2)


def test_must_resume_of_an_unknown_run_raises(cloud: SwanLabCloud, tmp_path: Path) -> None:
    output = run(cloud, tmp_path, 'swanlab.init(project="p", mode="online", id="no", resume="must")', exit_code=1)
    assert "does not exist" in output


def test_a_run_id_of_another_project_is_a_conflict(tmp_path: Path) -> None:
    with SwanLabCloud(unique_ids=True) as strict:
        run(strict, tmp_path, f"{INIT}; swanlab.finish()")
        output = run(strict, tmp_path, INIT.replace('"p"', '"other"'), exit_code=1)
        assert "belongs to another project" in output


def test_sync_uploads_an_offline_run(cloud: SwanLabCloud, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"keep me")
    run(
        cloud,
        tmp_path,
        """
        swanlab.init(project="p", mode="offline", id="off", name="n", config={"lr": 1})
        swanlab.log({"a": 1.5, "t": swanlab.Text("x", caption="c")})
        print("line")
        swanlab.save("notes.txt")
        swanlab.finish(state="crashed", error="why")
        """,
    )
    assert not cloud.requests
    sync(cloud, tmp_path, "--id", "off")
    kept = cloud.experiment("off")
    assert (kept.name, kept.config, kept.metrics, kept.state) == ("n", {"lr": 1}, {"a": {0: 1.5}}, "CRASHED")
    assert [(item.caption, item.data) for item in kept.media["t"][0]] == [("c", b"x")]
    assert kept.files == {"notes.txt": b"keep me"}
    assert kept.lines[-1] == "why"
    assert "line" in kept.lines


def test_sync_finishes_a_run_whose_server_went_away(cloud: SwanLabCloud, tmp_path: Path) -> None:
    fault = cloud.fail(METRICS, "refuse", 1, skip=1, body=SCALARS, seconds=600)
    process = start(cloud, tmp_path, TWO_STEPS)
    cloud.wait(lambda: cloud.count(METRICS) and cloud.experiment("r1").metrics, 30)
    proceed(process)
    cloud.wait(lambda: fault.hits, 30)
    time.sleep(2)
    assert process.poll() is None, "finish() waits for the server, without end"
    process.kill()
    end(process)
    assert cloud.experiment("r1").metrics == {"a": {0: 0}}
    cloud.come_back()
    sync(cloud, tmp_path, "--id", "r1")
    kept = cloud.experiment("r1")
    assert (kept.metrics, kept.duplicate_points, kept.state) == ({"a": {0: 0, 1: 1}}, [], "FINISHED")
    sync(cloud, tmp_path)
    assert len(cloud.experiments) == 2, "without --id, sync makes a new experiment"


def test_the_client_reads_back_what_it_sent(cloud: SwanLabCloud, tmp_path: Path) -> None:
    run(
        cloud,
        tmp_path,
        f"{INIT}; swanlab.log({{'a': 1, 't': swanlab.Text('x')}}); swanlab.log({{'a': 2}}); swanlab.finish()",
    )
    output = run(
        cloud,
        tmp_path,
        """
        import requests
        run = swanlab.Api().run("swan/p/r1")
        print(run.state, [key.key for key in run.series()], run.summary()["a"]["max"])
        print([point["data"] for point in run.metrics(["a"])["list"][0]["metrics"]])
        print([point["value"] for point in run.metrics(["a"], all=True)["list"][0]["metrics"]])
        print(requests.get(run.medias(["t"], all=True)["list"][0]["metrics"][0]["items"][0]["url"]).text)
        print(requests.get(run.medias(["t"], step=0)["list"][0]["metrics"][0]["items"][0]["url"]).text)
        print([found.run_id == run.run_id for found in swanlab.Api().runs("swan/p")], run.logs()["count"] > 0)
        """,
    )
    assert output.splitlines() == ["FINISHED ['a'] 2.0", "[1.0, 2.0]", "[1.0, 2.0]", "x", "x", "[True] True"]


# ---------------------------------------------------------------------- faults, as the SDK sees them
@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refused_login_raises_at_once(cloud: SwanLabCloud, tmp_path: Path, status: int) -> None:
    cloud.fail(LOGIN, status)
    output = run(cloud, tmp_path, INIT, exit_code=1)
    assert "AuthenticationError" in output
    assert cloud.count(LOGIN) == 1


def test_a_wrong_key_raises(cloud: SwanLabCloud, tmp_path: Path) -> None:
    assert "AuthenticationError" in run(
        cloud, tmp_path, f"os.environ['SWANLAB_API_KEY'] = 'other'; {INIT}", exit_code=1
    )


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (500, {}),
        (503, {}),
        (429, {"retry_after": 1}),
        ("refuse", {"seconds": 0.5}),
        ("hang", {"seconds": 1}),
        ("trickle", {"seconds": 1}),
        ("cut", {"applied": False}),
    ],
)
def test_init_outlasts_one_fault_of_the_login(
    cloud: SwanLabCloud, tmp_path: Path, kind: Any, options: dict[str, Any]
) -> None:
    fault = cloud.fail(LOGIN, kind, 1, **options)
    run(cloud, tmp_path, f"{INIT}; swanlab.finish()")
    assert fault.hits == 1
    assert cloud.experiment("r1").state == "FINISHED"


def test_init_fails_if_the_answer_to_the_login_is_cut(cloud: SwanLabCloud, tmp_path: Path) -> None:
    cloud.fail(LOGIN, "cut", 1)
    assert "AuthenticationError" in run(cloud, tmp_path, INIT, exit_code=1)
    assert cloud.count(LOGIN) == 1


def test_init_fails_if_the_experiment_is_refused(cloud: SwanLabCloud, tmp_path: Path) -> None:
    cloud.fail("/experiment$", 403)
    assert "RuntimeError: Failed to start run" in run(cloud, tmp_path, INIT, exit_code=1)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (500, {}),
        (503, {}),
        ("refuse", {"seconds": 1.5}),
        ("hang", {"seconds": 1}),
        ("trickle", {"seconds": 1}),
        ("cut", {"applied": False}),
    ],
)
def test_data_outlasts_a_fault_without_loss_or_duplicates(
    cloud: SwanLabCloud, tmp_path: Path, kind: Any, options: dict[str, Any]
) -> None:
    cloud.fail(METRICS, kind, 1, **options)
    run(cloud, tmp_path, f"{INIT}; [swanlab.log({{'a': i}}) for i in range(5)]; swanlab.finish()")
    kept = cloud.experiment("r1")
    assert kept.metrics == {"a": {i: i for i in range(5)}}
    assert (kept.duplicate_points, kept.state) == ([], "FINISHED")


def test_data_comes_twice_if_the_answer_is_lost(cloud: SwanLabCloud, tmp_path: Path) -> None:
    cloud.fail(METRICS, "cut", 1, body=SCALARS)
    run(cloud, tmp_path, f"{INIT}; swanlab.log({{'a': 1}}); swanlab.finish()")
    assert [point[:2] for point in cloud.experiment("r1").duplicate_points] == [("a", 0)]


@pytest.mark.parametrize("status", [401, 403, 404, 429])
def test_data_refused_with_4xx_is_dropped_by_the_sdk(cloud: SwanLabCloud, tmp_path: Path, status: int) -> None:
    cloud.fail(METRICS, status, retry_after=0)
    output = run(cloud, tmp_path, f"{INIT}; swanlab.log({{'a': 1}}); swanlab.finish()")
    assert "Upload complete" in output
    assert (cloud.experiment("r1").metrics, cloud.experiment("r1").state) == ({}, "FINISHED")


def test_an_expired_session_drops_what_follows(cloud: SwanLabCloud, tmp_path: Path) -> None:
    process = start(cloud, tmp_path, TWO_STEPS)
    cloud.wait(lambda: cloud.count(METRICS) and cloud.experiment("r1").metrics, 30)
    cloud.expire_sessions()
    proceed(process)
    assert "Failed to finish run" in end(process)
    assert process.returncode == 0
    assert (cloud.experiment("r1").metrics, cloud.experiment("r1").state) == ({"a": {0: 0}}, "RUNNING")


def test_a_refused_upload_is_tried_until_it_succeeds(cloud: SwanLabCloud, tmp_path: Path) -> None:
    cloud.fail("/store/", 403, 2)
    run(cloud, tmp_path, f"{INIT}; swanlab.log({{'t': swanlab.Text('x')}}); swanlab.finish()")
    assert cloud.experiment("r1").media["t"][0][0].data == b"x"
    assert [seen.status for seen in cloud.requests if seen.path.startswith("/store/")] == [403, 403, 200]


# ---------------------------------------------------------------------- faults, on the socket
class Echo(LoopbackServer):
    """Answers with the length of what it got."""

    def answer(self, request: Request) -> Response:
        return Response(f"{len(request.get_data()):010d}", mimetype="text/plain")


@pytest.fixture
def echo() -> Iterator[Echo]:
    before = set(threading.enumerate())
    with Echo() as server:
        yield server
    assert set(threading.enumerate()) <= before


def test_a_status_comes_with_retry_after_for_the_matching_requests(echo: Echo) -> None:
    echo.fail("/x", 429, 1, skip=1, method="POST", retry_after=7)
    got = [requests.post(f"{echo.url}/x", timeout=5) for _ in range(3)]
    assert [answer.status_code for answer in got] == [200, 429, 200]
    assert got[1].headers["Retry-After"] == "7"
    assert requests.get(f"{echo.url}/x", timeout=5).text == "0000000000"
    assert echo.count("/x", 429) == 1


def test_a_hanging_request_ends_with_release_timeout_or_close(echo: Echo) -> None:
    fault = echo.fail("/", "hang", 1, seconds=60)
    threading.Timer(0.2, fault.release).start()
    assert requests.get(echo.url, timeout=5).ok
    echo.fail("/", "hang", seconds=60)
    with pytest.raises(requests.ReadTimeout):
        requests.get(echo.url, timeout=0.2)
    cut: list[BaseException] = []

    def wait() -> None:
        try:
            requests.get(echo.url, timeout=30)
        except requests.ConnectionError as error:
            cut.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    echo.wait(lambda: len(echo.requests) == 3)
    echo.close()
    thread.join(5)
    assert cut


def test_a_trickle_defeats_the_read_timeout(echo: Echo) -> None:
    echo.fail("/", "trickle", seconds=1)
    began = time.monotonic()
    assert requests.post(echo.url, b"abc", timeout=0.5).text == "0000000003"
    assert time.monotonic() - began > 0.7


def test_a_cut_ends_the_answer_or_the_request_in_the_middle(echo: Echo) -> None:
    echo.fail("/", "cut", 1)
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="5 bytes read, 5 more expected"):
        requests.get(echo.url, timeout=5)
    echo.fail("/", "cut", 1, applied=False)
    with pytest.raises(requests.ConnectionError):
        requests.post(echo.url, b"x" * 5_000_000, timeout=5)
    assert [seen.status for seen in echo.requests] == [None, None]


def test_it_goes_away_and_comes_back_on_the_same_port(echo: Echo) -> None:
    for _ in range(3):
        echo.vanish()
        with pytest.raises(requests.ConnectionError, match=r"refused|reset"):
            requests.get(echo.url, timeout=5)
        echo.come_back()
        assert requests.get(echo.url, timeout=5).ok
    echo.vanish_for(0.3)
    with pytest.raises(requests.ConnectionError, match=r"refused|reset"):
        requests.get(echo.url, timeout=5)
    time.sleep(0.5)
    assert requests.get(echo.url, timeout=5).ok
    echo.fail("/", "refuse", 1, seconds=60)
    with pytest.raises(requests.ConnectionError):
        requests.get(echo.url, timeout=5)
    with pytest.raises(requests.ConnectionError, match=r"refused|reset"):
        requests.get(echo.url, timeout=5)

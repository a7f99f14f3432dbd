# ruff: noqa: F811
"""An experiment in SwanLab's cloud (a loopback one), written by the real clients and read back by `CloudStored`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from compat_tests.convert.conftest import run_dirs
from compat_tests.convert.experiment import EXPORT, cloud, converted, kept, recorded  # noqa: F401
from compat_tests.servers.swanlab_cloud import SwanLabCloud
from compat_tests.servers.swanlab_state import Experiment, Line
from compat_tests.stores import WandbStore
from wandb_swan.exceptions import WandbSwanError
from wandb_swan.parity.cloud import CloudStored
from wandb_swan.swan.sdk import cloud_reader

pytestmark = pytest.mark.live


def test_what_was_logged_is_read_back(
    cloud: SwanLabCloud, kept: Experiment, recorded: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    stored = CloudStored("swan/p/read")
    wandb = WandbStore.read(run_dirs(recorded)["read"])
    assert stored.counts == {
        "a": (2000, 1999),
        "b/c": (2000, 1999),
        'odd, "key"': (1, 2001),
        "word": (2, 2001),
        "picture": (1, 2000),
    }
    assert stored.at_least == set()
    assert stored.kinds == {"a": "scalar", "b/c": "scalar", 'odd, "key"': "scalar", "word": "text", "picture": "image"}
    for key, path in (("a", "a"), ("b/c", "b/c")):
        series = stored.scalars[key]
        for at, step in enumerate(series.steps):
            value = float(wandb.rows[step][path])
            assert series.values[at] == value or (math.isnan(value) and math.isnan(series.values[at]))
            assert abs(series.times[at] - wandb.timestamps[step]) < 0.002
    assert stored.config["lr"] == 0.5
    assert stored.config["net"] == {"width": [1, 2]}
    assert stored.metadata["id"] == "read"
    assert stored.description == {
        "name": "a name",
        "description": "why",
        "tags": ["x", "y"],
        "group": "g",
        "job_type": "t",
    }
    assert (stored.dir, stored.state) == ("swan/p/read", "crashed")
    assert stored.lines == len(kept.lines) >= 2
    assert 0 < stored.started_at < stored.finished_at
    assert [item.caption for item in stored.media["picture"][2000]] == ["black"]
    assert stored.content("word", 2001) == [b"again"]
    assert stored.content("picture", 2000)[0][:4] == b"\x89PNG"
    assert "saved files" in stored.unreadable
    assert capfd.readouterr() == ("", "")


def test_what_the_server_lost_is_seen(cloud: SwanLabCloud, kept: Experiment) -> None:
    point, text, column = kept.scalars["a"].pop(700), kept.media["word"].pop(2001), kept.scalars.pop("b/c")
    try:
        stored = CloudStored("swan/p/read")
        assert stored.counts["a"] == (1999, 1999)
        assert 700 not in stored.scalars["a"].steps
        assert stored.counts["word"] == (1, 2000)
        assert "b/c" not in stored.counts
    finally:
        kept.scalars["a"][700], kept.media["word"][2001], kept.scalars["b/c"] = point, text, column


def test_system_metrics_are_left_out(cloud: SwanLabCloud, kept: Experiment) -> None:
    kept.scalars["__swanlab__.cpu.pct"] = {0: (1.0, 1.0)}
    try:
        assert not [key for key in CloudStored("swan/p/read").counts if key.startswith("__swanlab__")]
    finally:
        del kept.scalars["__swanlab__.cpu.pct"]


def test_a_part_that_goes_on_has_the_steps_of_wandb(cloud: SwanLabCloud, kept: Experiment) -> None:
    ours = kept.profile["config"]["wandb_run"]["value"]
    ours["step_offset"] = 100
    try:
        stored = CloudStored("swan/p/read")
    finally:
        del ours["step_offset"]
    assert stored.counts["a"] == (2000, 1899)
    assert list(stored.scalars["a"].steps[:2]) == [-100, -99]
    assert stored.content("word", 1901) == [b"again"]


# ---------------------------------------------------------------------- some of it is not all of it
def test_a_sampled_curve_is_not_taken_for_the_metric(cloud: SwanLabCloud) -> None:
    fault = cloud.fail(EXPORT, 404)
    stored = CloudStored("swan/p/read")
    assert fault.hits == 3
    assert stored.scalars == {}
    assert stored.counts["a"] == (cloud_reader.SAMPLE, 1999)
    assert stored.counts["b/c"] == (1000, 1999), "the server leaves NaN out of a curve"
    assert stored.at_least == {"a", "b/c", 'odd, "key"'}
    assert any(note.startswith("a: the number of its points") for note in stored.unreadable)


def test_an_export_that_ends_early_is_not_taken_for_the_metric(
    cloud: SwanLabCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = cloud._export_scalars

    def limited(request: Request) -> Any:
        answer = whole(request)
        cloud.objects[answer["cosKey"]] = b"".join(cloud.objects[answer["cosKey"]].splitlines(keepends=True)[:501])
        return answer

    monkeypatch.setattr(cloud, "_export_scalars", limited)
    stored = CloudStored("swan/p/read")
    assert stored.counts["a"] == (500, 1999)
    assert stored.at_least == {"a", "b/c"}
    assert "a" not in stored.scalars
    assert any(note.startswith("a: the points after step 499") for note in stored.unreadable)


@pytest.mark.parametrize(
    "content", [b"", b"<html>no</html>\n", b"step,a,b,c\n1,2,3,4\n", b"step,a,b\n1,two,3\n", b"\xff"]
)
def test_an_export_of_another_form_is_not_taken_for_the_metric(
    cloud: SwanLabCloud, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    whole = cloud._export_scalars

    def other(request: Request) -> Any:
        answer = whole(request)
        cloud.objects[answer["cosKey"]] = content
        return answer

    monkeypatch.setattr(cloud, "_export_scalars", other)
    stored = CloudStored("swan/p/read")
    assert stored.scalars == {}
    assert stored.at_least == {"a", "b/c", 'odd, "key"'}


def test_that_nobody_vouches_for_the_exports_is_said(cloud: SwanLabCloud) -> None:
    cloud.fail("/summaries$", 404)
    stored = CloudStored("swan/p/read")
    assert stored.counts["a"] == (2000, 1999)
    assert any(note.startswith("whether what the server exports is all that it has") for note in stored.unreadable)


@pytest.mark.parametrize("empty", ["", "\\N", "null"])
def test_a_row_without_a_value_is_a_nan(cloud: SwanLabCloud, monkeypatch: pytest.MonkeyPatch, empty: str) -> None:
    """How the real server writes NaN into an export is not known."""
    whole = cloud._export_scalars

    def other(request: Request) -> Any:
        answer = whole(request)
        cloud.objects[answer["cosKey"]] = cloud.objects[answer["cosKey"]].replace(b",nan,", f",{empty},".encode())
        return answer

    monkeypatch.setattr(cloud, "_export_scalars", other)
    stored = CloudStored("swan/p/read")
    assert stored.counts["b/c"] == (2000, 1999)
    assert [math.isnan(value) for value in stored.scalars["b/c"].values[:4]] == [False, True, False, True]


@pytest.mark.parametrize("count", ["of all lines", "of the answer", "not said", "pages are ignored"])
def test_many_console_lines_are_counted(
    cloud: SwanLabCloud, kept: Experiment, monkeypatch: pytest.MonkeyPatch, count: str
) -> None:
    """What `count` and the offset mean is an assumption: every reading of them gives the number, or says that not."""
    console = [Line(epoch, "INFO", f"line {epoch}", 0.0) for epoch in range(1, 2502)]
    original = cloud._read_log

    def answer(request: Request) -> Any:
        if count == "pages are ignored":
            request.args = {**request.args.to_dict(), "epoch": "0"}  # type: ignore[misc,assignment]
        page = original(request)
        if count == "not said":
            del page["count"]
        elif count != "of all lines":
            page["count"] = len(page["logs"])
        return page

    monkeypatch.setattr(cloud, "_read_log", answer)
    monkeypatch.setattr(kept, "console", console)
    stored = CloudStored("swan/p/read")
    if count == "pages are ignored":
        assert stored.lines == 1000
        assert "the number of console lines beyond 1000" in stored.unreadable
    else:
        assert stored.lines == 2501


def test_an_experiment_that_runs_may_not_show_everything_yet(
    cloud: SwanLabCloud, kept: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = "what the server got in the last seconds"
    monkeypatch.setattr(kept, "finished_at", "2020-01-01T00:00:00.000Z")
    assert not any(late in note for note in CloudStored("swan/p/read").unreadable)
    monkeypatch.setattr(kept, "state", "RUNNING")
    stored = CloudStored("swan/p/read")
    assert stored.state == "running"
    assert any(late in note for note in stored.unreadable)


# ---------------------------------------------------------------------- errors
def refusal(path: str = "swan/p/read") -> str:
    with pytest.raises(WandbSwanError) as caught:
        CloudStored(path)
    text = str(caught.value)
    assert "\n" not in text
    assert "signature" not in text
    return text


@pytest.mark.parametrize("path", ["read", "p/read", "swan/p/read/more", "swan//read", "swan/p/ ", ""])
def test_a_path_that_names_no_experiment(path: str) -> None:
    assert "give workspace/project/run-id" in refusal(path)


@pytest.mark.parametrize("path", ["swan/p/no", "swan/other/read", "else/p/read"])
def test_an_unknown_experiment(cloud: SwanLabCloud, path: str, capfd: pytest.CaptureFixture[str]) -> None:
    text = refusal(path)
    assert f"cannot read the SwanLab experiment {path}: there is none" in text
    assert "check workspace/project/run-id" in text
    assert capfd.readouterr() == ("", "")


def test_a_wrong_key(cloud: SwanLabCloud, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SWANLAB_API_KEY", "a-wrong-key")
    text = refusal()
    assert "does not accept the SwanLab login; type `swanlab login`" in text
    assert "a-wrong-key" not in text
    assert capfd.readouterr() == ("", "")


def test_no_key(cloud: SwanLabCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(cloud.requests)
    monkeypatch.delenv("SWANLAB_API_KEY")
    assert refusal().startswith("no SwanLab login")
    assert len(cloud.requests) == before


def test_no_permission(cloud: SwanLabCloud) -> None:
    cloud.fail("/runs/read$", 403)
    assert "no permission; ask its owner for access" in refusal()


def test_the_server_is_away(cloud: SwanLabCloud, capfd: pytest.CaptureFixture[str]) -> None:
    cloud.vanish()
    text = refusal()
    assert f"{cloud.url} does not answer (ConnectionError)" in text
    assert "check SWANLAB_API_HOST" in text
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "pattern",
    ["/login/api_key$", "/runs/read$", "/scalar/keys$", "/media/keys$", EXPORT, "/f_media$", "/log$", "^/store/"],
)
@pytest.mark.parametrize("kind", ["busy", "cut"])
def test_one_failure_passes(cloud: SwanLabCloud, pattern: str, kind: str) -> None:
    fault = cloud.fail(pattern, 503 if kind == "busy" else "cut", 1)
    stored = CloudStored("swan/p/read")
    assert fault.hits == 1
    assert (stored.counts["a"], stored.counts["word"], stored.at_least) == ((2000, 1999), (2, 2001), set())


@pytest.mark.parametrize("pattern", ["/scalar/keys$", "/media/keys$", EXPORT, "/f_media$", "/log$", "^/store/"])
def test_what_cannot_be_read_is_an_error_and_not_an_empty_run(cloud: SwanLabCloud, pattern: str) -> None:
    """SwanLab's API gives an empty list, or an empty dict, where a request of its fails."""
    cloud.fail(pattern, 403)
    text = refusal()
    assert "no permission" in text


@pytest.mark.parametrize("name", ["_list_keys", "_read_log", "_read_media", "_export_scalars", "_get_experiment"])
def test_a_page_of_a_proxy_is_an_error_and_not_an_empty_run(
    cloud: SwanLabCloud, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(cloud, name, lambda *_, **__: Response("<html>please log in</html>", mimetype="text/html"))
    assert "does not answer as SwanLab does" in refusal()


def test_wrong_settings_of_swanlab(cloud: SwanLabCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWANLAB_MODE", "secret-word")
    text = refusal()
    assert "SwanLab's settings are wrong" in text
    assert "secret-word" not in text


def test_another_api_of_swanlab(cloud: SwanLabCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swanlab.Api", object)
    assert "has another API than 0.10" in refusal()


def test_a_busy_server_is_asked_a_bounded_number_of_times(cloud: SwanLabCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.fail("^/store/", 503)
    before = cloud.count("^/store/")
    assert "the server is busy or broken (HTTP 503); try again later" in refusal()
    metrics = 3
    assert cloud.count("^/store/") - before <= cloud_reader.TRIES * metrics

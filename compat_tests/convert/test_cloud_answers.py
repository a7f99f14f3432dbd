"""What W&B answers when it does not answer plainly: errors under 200, addresses that run out, counts of other things."""

from __future__ import annotations

from math import isnan
from typing import Any

import pytest

pytest.importorskip("graphql", reason="the loopback W&B parses GraphQL with graphql-core")
wandb_cloud = pytest.importorskip("compat_tests.servers.wandb_cloud")

from compat_tests.convert.conftest import Cli  # noqa: E402

pytestmark = pytest.mark.live


@pytest.fixture
def cloud_settings() -> dict[str, Any]:
    return {"nan_as_text": True}


@pytest.mark.fault(
    "`convert`: W&B answers 200 with `errors`, to every question twice",
    "Each is asked again; the run is whole",
)
def test_errors_under_200_are_asked_again(cloud: wandb_cloud.WandbCloud, online: Cli) -> None:
    cloud.add_run("p", "r", [{"loss": i} for i in range(50)])
    cloud.add_file("r", "notes.txt", b"n")
    cloud.add_artifact("r", "data", "dataset")
    operations = ("Runs", "Run", "RunHistoryKeys", "HistoryPage", "RunFullHistory", "RunFiles", "RunOutputArtifacts")
    refusals = [cloud.say_errors(operation, times=2) for operation in operations]
    said = online.cloud("--wb-project", "p", "--verify", "full", "--strict")
    swan = online.stores()["r"]
    assert swan.scalars["loss"] == {i: i for i in range(50)} and (swan.dir / "files" / "notes.txt").is_file(), said
    assert all(refusal.hits == 2 for refusal in refusals), [(refusal.operation, refusal.hits) for refusal in refusals]


@pytest.mark.fault(
    "`convert`: W&B answers 200 with `errors` for good, or with a refusal",
    "The run fails, after a bounded number of questions; a refusal is not asked again",
)
def test_errors_under_200_for_good(cloud: wandb_cloud.WandbCloud, online: Cli) -> None:
    cloud.add_run("p", "r", [{"loss": 1}])
    refusal = cloud.say_errors("RunHistoryKeys", times=None)
    said = online.cloud("--wb-project", "p", expect=1)
    assert "internal error" in said and 1 < refusal.hits < 20
    denied = cloud.say_errors("Runs", times=None, message="permission denied to access acme/p")
    assert "no permission" in online.cloud("--wb-project", "p", expect=2) and denied.hits == 1


@pytest.mark.fault(
    "`convert`: the signed address of a file, or of a history's export, has run out when it is its turn",
    "W&B is asked for it anew; nothing is missing",
)
@pytest.mark.parametrize("status", [(403, "AccessDenied", "Request has expired"), (400, "ExpiredToken", "expired")])
def test_addresses_that_run_out(cloud: wandb_cloud.WandbCloud, online: Cli, status: tuple[int, str, str]) -> None:
    cloud.add_run("p", "r", [{"loss": i} for i in range(30)])
    cloud.export("r")
    for number in range(12):
        cloud.add_file("r", f"deep/{number} %41.bin", bytes([number]) * 100)
    cloud.expired = status
    cloud.fail("/storage/runs/", status[0], times=5)
    cloud.fail("/storage/parquet/", status[0], times=2)
    cloud.fail("/files/", status[0], times=5)
    said = online.cloud("--wb-project", "p", "--verify", "full", "--strict")
    swan = online.stores()["r"]
    assert len(swan.scalars["loss"]) == 30 and len(list((swan.dir / "files" / "deep").iterdir())) == 12, said


@pytest.mark.fault(
    "`convert`: the store refuses a file whatever its address",
    "It is left out, with the reason, after a bounded number of tries; the rest of the run is there",
)
def test_a_file_that_stays_forbidden(cloud: wandb_cloud.WandbCloud, online: Cli) -> None:
    cloud.add_run("p", "r", [{"loss": i} for i in range(3)])
    cloud.add_file("r", "mine.bin", b"m")
    cloud.add_file("r", "theirs.bin", b"t")
    cloud.fail("theirs.bin", 403)
    said = online.cloud("--wb-project", "p")
    swan = online.stores()["r"]
    assert "file left out" in said and "403" in said and (swan.dir / "files" / "mine.bin").is_file()
    assert cloud.count("theirs.bin") <= 5


def test_a_manifest_that_is_gone(cloud: wandb_cloud.WandbCloud, online: Cli) -> None:
    cloud.add_run("p", "r", [{"loss": 1}])
    for name in ("first", "gone", "last"):
        artifact = cloud.add_artifact("r", name, "dataset")
        if name == "gone":
            cloud.lose_manifest(artifact)
    online.cloud("--wb-project", "p", "--verify", "full", "--strict")
    assert {item["name"] for item in online.stores()["r"].about["artifacts"]} == {"first:v0", "gone:v0", "last:v0"}


@pytest.mark.fault(
    "`verify`: the manifest of one artifact is lost, or does not come",
    "It costs that artifact, after a bounded number of tries; the comparison goes on and says so (exit code 3)",
)
@pytest.mark.parametrize("status", [404, 500])
def test_a_manifest_that_is_lost_later(cloud: wandb_cloud.WandbCloud, online: Cli, status: int) -> None:
    cloud.add_run("p", "r", [{"loss": 1}])
    for name in ("first", "gone", "last"):
        cloud.add_artifact_files(cloud.add_artifact("r", name, "dataset"), {"f": name.encode()})
    online.cloud("--wb-project", "p", "--artifacts", "files")
    fault = cloud.fail(f"/artifacts/{cloud.run('r').logged[1].id}/m", status)
    said = online("verify", "acme/p/r", "swanlog", expect=3)
    assert f"gone:v0: its manifest cannot be read: {status}" in said and "2 of 2 files, same digests" in said
    assert fault.hits == (1 if status == 404 else 6)


def test_a_run_that_was_preempted(cloud: wandb_cloud.WandbCloud, online: Cli) -> None:
    cloud.add_run("p", "r", [{"loss": 1}], final="preempted")
    said = online.cloud("--wb-project", "p", "--verify", "full", "--strict")
    swan = online.stores()["r"]
    assert "type the same command again" not in said and swan.about["state"] == "preempted"
    assert "1 skipped" in online.cloud("--wb-project", "p")


def test_system_metrics_among_the_keys(cloud: wandb_cloud.WandbCloud, online: Cli) -> None:
    run = cloud.add_run("p", "r", [{"loss": i, "system/mine": i} for i in range(5)])
    run.write("wandb-events.jsonl", 0, ['{"system.cpu": 5.0, "_timestamp": 1.7e9, "_runtime": 1}'])
    cloud.system_keys = True
    cloud.export("r")
    said = online.cloud("--wb-project", "p", "--verify", "full", "--strict")
    swan = online.stores()["r"]
    assert "W&B counts" not in said and swan.scalars["system/mine"] == {i: i for i in range(5)}


@pytest.mark.parametrize("exported", [False, True])
@pytest.mark.parametrize("first", [4_500_000_000_000, 200_000_000_000_000])
def test_steps_that_are_times(cloud: wandb_cloud.WandbCloud, online: Cli, first: int, exported: bool) -> None:
    steps = [first + i * 1_000_000_000 for i in range(40)]
    cloud.add_run("p", "r", [{"_step": 0, "loss": -1}] + [{"_step": step, "loss": i} for i, step in enumerate(steps)])
    if exported:
        cloud.export("r", doubles=False)
    online.cloud("--wb-project", "p", "--verify", "full", "--strict")
    assert online.stores()["r"].scalars["loss"] == {0: -1} | {step: i for i, step in enumerate(steps)}


@pytest.mark.parametrize("form", ["live", "structs"])
def test_metrics_that_are_never_a_number(cloud: wandb_cloud.WandbCloud, online: Cli, form: str) -> None:
    """Nothing but the rows says what a "NaN" is: no file of the run's process, no count of numbers."""
    nan, inf = float("nan"), float("inf")
    words = ["NaN", "a text", "Infinity"]
    rows = [{"nan": nan, "inf": -inf, "deep": {"nan": nan}, "word": words[i], "mixed": [1.5, nan]} for i in range(3)]
    cloud.add_run("p", "r", rows, summary={"nan": "NaN", "inf": "-Infinity", "deep": {"nan": "NaN"}, "word": "a text"})
    if form != "live":
        cloud.export("r", form="structs")
    said = online.cloud("--wb-project", "p", "--verify", "full", "--strict")
    swan = online.stores()["r"]
    assert all(isnan(swan.scalars[key][step]) for key in ("nan", "deep/nan") for step in range(3)), said
    assert swan.scalars["inf"] == {0: -inf, 1: -inf, 2: -inf} and "word" not in swan.scalars
    assert swan.texts("word") == dict(enumerate(words))
    assert swan.texts("mixed") == dict.fromkeys(range(3), "[1.5, NaN]")


def test_a_text_that_spells_no_number(cloud: wandb_cloud.WandbCloud, online: Cli) -> None:
    """What the run's process wrote in its summary says it, where W&B has the same of both."""
    cloud.add_run("p", "r", [{"word": "NaN", "nan": float("nan")}] * 2, summary={"word": "NaN", "nan": "NaN"})
    cloud.add_file("r", "wandb-summary.json", b'{"word": "NaN", "nan": NaN}')
    online.cloud("--wb-project", "p", "--verify", "full", "--strict")
    swan = online.stores()["r"]
    assert swan.texts("word") == {0: "NaN", 1: "NaN"} and set(swan.scalars["nan"]) == {0, 1}
    assert "word" not in swan.scalars and not (swan.dir / "files" / "wandb-summary.json").exists()

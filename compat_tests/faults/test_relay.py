"""One relay for many trainings: whoever of them dies, both stores are equal in the end, and everything is there once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time

import pytest

from compat_tests.conftest import Recorded
from compat_tests.faults.conftest import assert_cloud_has, until
from compat_tests.field import COMMAND, Field, namespaces
from compat_tests.servers.swanlab_cloud import SwanLabCloud
from compat_tests.stores import WandbStore
from wandb_swan.journal.life import SILENCE

pytestmark = [pytest.mark.live, pytest.mark.skipif(os.name == "nt", reason="signals")]


@pytest.mark.fault(
    "A relay is killed while it mirrors a run, and started again",
    "equal stores, one SwanLab run",
)
def test_a_relay_that_is_killed_and_started_again(field: Field) -> None:
    first = field.relay()
    training = field.half_way()
    first.kill()
    first.wait()
    second = field.relay()
    (field.work / "r1.go").touch()
    assert "SwanLab run saved" in field.end(training)
    field.whole("r1")
    field.stop(second)


@pytest.mark.fault(
    "Relay, mirror and training are killed together (a reboot of the node); a relay is started",
    "the run is whole up to its last row, as crashed, once",
)
def test_relay_and_mirror_killed_with_the_training(field: Field) -> None:
    relay = field.relay()
    training = field.half_way()
    for process in (relay, training):
        process.kill()
        process.wait()
    for mirror in field.mirrors():
        mirror.kill()
    second = field.relay()
    until(lambda: not list(field.journals.glob("*.journal")), 60)
    (told,) = field.statuses("r1")
    assert (told["state"], told["result"]) == ("finished", "crashed")
    assert len(list((field.work / "swanlog").glob("run-*"))) == 1
    field.stop(second)


@pytest.mark.fault(
    "A training is killed under a relay",
    "its rows are in SwanLab, as crashed",
)
def test_a_training_that_is_killed_under_a_relay(field: Field) -> None:
    relay = field.relay()
    training = field.train("r1", 40, "gate")
    field.at_gate("r1")
    training.kill()
    until(lambda: any(told["state"] == "finished" for told in field.statuses("r1")), 60)
    (told,) = field.statuses("r1")
    assert told["result"] == "crashed" and told["counts"]["rows"] == 21
    field.stop(relay)


@pytest.mark.fault(
    "The relay dies for good, `WANDB_SWAN_MIRROR=auto`",
    "the training ends with a mirror of its own; equal stores",
)
def test_the_relay_dies_and_the_training_ends_with_a_mirror_of_its_own(field: Field) -> None:
    relay = field.relay()
    training = field.half_way(WANDB_SWAN_MIRROR="auto")
    relay.kill()
    relay.wait()
    for mirror in field.mirrors():
        mirror.kill()
    (field.work / "r1.go").touch()
    said = field.end(training)
    assert "wandb_swan: mirroring run r1 to SwanLab" in said and "SwanLab run saved" in said
    field.whole("r1")


@pytest.mark.fault(
    "A relay gets SIGTERM while runs go on; another one comes later",
    "it drains, says what is left, leaves no process; the next one goes on from there; equal stores",
)
def test_a_relay_is_told_to_end_while_a_training_goes_on(field: Field) -> None:
    first = field.relay()
    training = field.half_way()
    said = field.stop(first)
    assert "its run goes on; the next relay" in said and "1 run(s) are not whole in SwanLab" in said
    assert not field.mirrors() and not list(field.journals.glob("*.mirror"))
    assert not list(field.journals.parent.glob(".relay-*"))
    field.end(field.start(COMMAND, "relay", "swanlog", "--once"))  # takes what is there, and leaves it again
    assert not field.mirrors()
    second = field.relay()
    (field.work / "r1.go").touch()
    field.end(training)
    field.whole("r1")
    field.stop(second)


@pytest.mark.fault(
    "SwanLab's server is away, the relay is killed meanwhile and started again",
    "every value once in the cloud",
)
def test_online_with_an_outage(field: Field, cloud: SwanLabCloud) -> None:
    relay = field.relay(**cloud.env())
    training = field.half_way()
    cloud.vanish()
    (field.work / "r1.go").touch()
    time.sleep(3)
    relay.kill()
    relay.wait()
    for mirror in field.mirrors():
        mirror.kill()
    relay = field.relay(**cloud.env())
    time.sleep(2)
    cloud.come_back()
    field.end(training)
    until(lambda: not list(field.journals.glob("*.journal")), 120)
    wandb = Recorded(field.work, 0, "", "").wandb_dirs[0]
    assert_cloud_has(cloud.experiment("r1"), WandbStore.read(wandb))
    assert cloud.experiment("r1").state == "FINISHED"
    field.stop(relay)


@pytest.mark.fault(
    "A relay is killed at six random moments, with or without its mirrors",
    "equal stores, one SwanLab run each",
)
def test_a_relay_that_is_killed_at_random_moments(field: Field) -> None:
    dice = random.Random()
    trainings = [field.train(name, 60, "gate") for name in ("r1", "r2")]
    for number in range(6):
        relay = field.relay()
        time.sleep(dice.uniform(0, 3))
        relay.kill()
        relay.wait()
        if dice.random() < 0.5:  # else they go on, and the next relay finds the journals taken
            for mirror in field.mirrors():
                mirror.kill()
        if number == 2:
            (field.work / "r1.go").touch()
    (field.work / "r2.go").touch()
    relay = field.relay()
    for training in trainings:
        field.end(training)
    field.whole("r1", "r2")
    field.stop(relay)


@pytest.mark.fault(
    "SIGTERM twice to a relay whose server is away",
    "it ends without its mirrors; `relay --once` later: every value once in the cloud",
)
def test_the_second_signal_ends_a_relay_at_once(field: Field, cloud: SwanLabCloud) -> None:
    relay = field.relay(**cloud.env())
    training = field.half_way()
    cloud.vanish()
    (field.work / "r1.go").touch()
    until(lambda: any(told["unsent"] for told in field.statuses("r1")))
    relay.terminate()
    time.sleep(2)
    assert relay.poll() is None, "it waits for its mirror"
    assert "1 run(s) are not whole in SwanLab" in field.stop(relay)
    assert not field.mirrors()
    cloud.come_back()
    field.end(field.start(COMMAND, "relay", "swanlog", "--once", **cloud.env()))
    assert "SwanLab run saved" not in field.end(training)
    wandb = Recorded(field.work, 0, "", "").wandb_dirs[0]
    assert_cloud_has(cloud.experiment("r1"), WandbStore.read(wandb))


def relay_elsewhere(field: Field) -> subprocess.Popen[str]:
    """A relay on a machine of another name, which sees no process of the training's."""
    apart = namespaces("--uts", "--pid", "--fork", "--mount-proc", "--kill-child")
    renamed = ["sh", "-c", 'hostname relayhost && exec "$@"', "sh"]
    relay = field.start(*apart, *renamed, COMMAND, "relay", "swanlog")
    until(lambda: "relay of" in field.said(relay), 60)
    return relay


@pytest.mark.fault(
    "The relay is on a machine of another name, which sees no process of the training's",
    "it follows the journal live; equal stores",
)
def test_two_hosts(field: Field) -> None:
    relay_elsewhere(field)
    training = field.half_way()
    assert "is mirrored to SwanLab by the relay on relayhost" in field.said(training)
    (field.work / "r1.go").touch()
    assert "SwanLab run saved" in field.end(training)
    field.whole("r1")


@pytest.mark.fault(
    "A job is suspended for longer than a silent run counts as alive, a relay elsewhere ends its run, then the job goes on",
    "one SwanLab run with all of it, finished; equal stores",
)
def test_a_suspended_job_wakes_up(field: Field) -> None:
    """Nobody saw a sign of life for longer than a silent run counts as alive; then it goes on."""
    training = field.train("r1", 40, "gate")
    field.at_gate("r1")
    training.send_signal(signal.SIGSTOP)
    (journal,) = field.journals.glob("*.journal")
    long_ago = time.time() - 2 * SILENCE
    os.utime(journal, (long_ago, long_ago))
    relay = relay_elsewhere(field)
    until(lambda: any(told["state"] == "finished" for told in field.statuses("r1")), 60)
    (told,) = field.statuses("r1")
    assert told["result"] == "crashed" and journal.exists()
    training.send_signal(signal.SIGCONT)
    (field.work / "r1.go").touch()
    field.end(training)
    field.whole("r1")
    (told,) = field.statuses("r1")
    assert told["result"] == "success" and relay.poll() is None

"""Points that are written straight into SwanLab's store, row by row or many rows at once: SwanLab reads what was meant."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

from compat_tests.conftest import clean_environment
from wandb_swan.parity.stored import StoredRun
from wandb_swan.swan.sdk.store import records

SCRIPT = """
import json, random, sys
from wandb_swan.stream.events import RunStarted
from wandb_swan.swan.sink import Sink
from wandb_swan.swan.target import Target
from pathlib import Path

sink = Sink(Target(mode="offline", log_dir=Path("swanlog").absolute(), past=True, monitor=False))
sink.open(RunStarted(run_id="r1"))
writer, chance, meant = sink._writer, random.Random(5), {}
assert type(writer).__name__ == "BulkWriter"
special = [0.0, -0.0, float("nan"), float("inf"), 5e-324, 1.0]
begin = 0
for block in range(250):
    keys = chance.sample([f"k{number}" for number in range(9)] + ["键", "k" * 300], chance.randrange(1, 8))
    begin = max(0, begin + chance.randrange(-3, 4))
    steps = sorted(chance.sample(range(begin, begin + 400), chance.randrange(1, 40)))
    begin += 30 * (1 if block < 200 else 1 << chance.randrange(30))
    times = [1.7e9 + step + chance.random() * chance.choice([0, 1, 1e-3]) for step in steps]
    columns = [
        [chance.choice(special) if chance.random() < 0.1 * (block % 3) else chance.gauss(0, 10.0 ** block) for _ in steps]
        if block < 100 else [chance.random() for _ in steps] for _ in keys
    ]
    if block % 7:
        writer.rows(keys, steps, times, columns)
    else:
        for at, step in enumerate(steps):
            writer.row(keys, step, times[at], [column[at] for column in columns])
    if not block % 20:
        writer.console("x" * chance.randrange(3000), 1.7e9, error=False)
        writer.flush()
    for key, column in zip(keys, columns):
        for step, time, number in zip(steps, times, column):
            meant.setdefault(key, {}).setdefault(step, [time, number.hex()])
sink.close("success")
Path("meant.json").write_text(json.dumps([sink.run_dir, meant]))
"""


def bits(number: float) -> bytes:
    return struct.pack("<d", number) if number == number else b"NaN"  # noqa: PLR0124


def test_swanlab_reads_what_was_written_many_rows_at_once(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, env=clean_environment(tmp_path),
                          capture_output=True, text=True, timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    run_dir, said = json.loads((tmp_path / "meant.json").read_text("utf-8"))
    meant = {
        key: {int(step): (time, float.fromhex(number)) for step, (time, number) in of.items()}
        for key, of in said.items()
    }
    found: dict[str, dict[int, tuple[float, float]]] = {}
    numbers = []
    for record in records(Path(run_dir)):
        numbers.append(record.num)
        if record.HasField("scalar"):
            point = record.scalar
            assert point.step not in found.setdefault(point.key, {}), "a step comes once"
            found[point.key][point.step] = point.timestamp.seconds + point.timestamp.nanos / 1e9, point.value.number
    counted = [number for number in numbers if number > 0]
    assert counted == list(range(1, len(counted) + 1)), "numbered without a gap"
    assert found.keys() == meant.keys()
    for key, points in meant.items():
        assert {step: bits(number) for step, (_, number) in found[key].items()} == {
            step: bits(number) for step, (_, number) in points.items()
        }
        assert all(abs(found[key][step][0] - time) < 1e-6 for step, (time, _) in points.items())
    stored = StoredRun(Path(run_dir)).scalars
    assert {key: [(*map(bits, of.values),), (*of.steps,), (*of.times,)] for key, of in stored.items()} == {
        key: [(*(bits(number) for _, number in of.values()),), (*of,), (*(time for time, _ in of.values()),)]
        for key, of in found.items()
    }

"""Fuzzes with atheris, which is not installed with the tests, what reads journals and wandb's logs:
`python -m compat_tests.tools.fuzz reader|records|values [JOURNAL ...] -- -max_total_time=600`; journals are first inputs."""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["wandb_swan"]):
    from compat_tests.journals import fed, read, valued, written

FOLDER = Path(tempfile.mkdtemp())


def reader(data: bytes) -> None:
    payloads, _ = read(data)
    assert read(written(payloads)) == (payloads, None)


def records(data: bytes) -> None:
    """Each after its length in two bytes."""
    found = []
    while len(data) > 2:
        length = 2 + int.from_bytes(data[:2], "big")
        found.append(data[2:length])
        data = data[length:]
    fed(found)


def values(data: bytes) -> None:
    given = atheris.FuzzedDataProvider(data)
    found = []
    while given.remaining_bytes():
        keys = [given.ConsumeUnicodeNoSurrogates(4) for _ in range(given.ConsumeIntInRange(1, 3))]
        form = given.PickValueInList(["%s", '"%s"', "[%s]", '{"a": %s}', '{"_type": "%s", "path": %s, "bins": [%s]}'])
        text = form.replace("%s", given.ConsumeUnicodeNoSurrogates(40))
        found.append(valued(given.ConsumeIntInRange(0, 4), [(keys, text)]))
    fed(found)


if __name__ == "__main__":
    cut = sys.argv.index("--")
    for number, name in enumerate(sys.argv[2:cut]):
        whole = Path(name).read_bytes()
        each = b"".join(len(record).to_bytes(2, "big") + record for record in read(whole)[0] if len(record) < 1 << 16)
        (FOLDER / f"{number}").write_bytes(each if sys.argv[1] == "records" else whole)
    atheris.Setup([sys.argv[0], str(FOLDER), *sys.argv[cut + 1 :]], globals()[sys.argv[1]])
    atheris.Fuzz()

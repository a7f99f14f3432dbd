"""What a host of mirrors imports: one thread, no random state, and SwanLab's charts when one is drawn, as they are.

NVIDIA's names, and what guesses charsets, likewise.
"""

from __future__ import annotations

import subprocess
import sys

from wandb_swan.capture.process import DEFER

PROGRAM = (
    DEFER
    + """
import os, sys
from wandb_swan.mirror.host import _import_all
_import_all()
assert sys.platform != "linux" or len(os.listdir("/proc/self/task")) == 1, "it forks, and has threads"
assert "numpy" not in sys.modules, "it has a random state that a fork does not renew"
import swanlab
from swanlab.sdk.internal.run.components.consumer import builder
assert "pyecharts" not in sys.modules, "the host has imported the charts"
assert not isinstance(1.0, builder._EchartsType) and "pyecharts" not in sys.modules
from pyecharts.charts import Bar
assert not isinstance(1.0, builder._EchartsType) and not isinstance(["a"], builder._EchartsType)
table = swanlab.echarts.Table().add(["a"], [[1]])
for drawn in (table, Bar()):
    assert isinstance(drawn, builder._EchartsType)
assert type(table).__mro__[1].__module__.startswith("pyecharts.")
assert not isinstance("text", builder._EchartsType)
assert swanlab.echarts.Bar is Bar and swanlab.plot.__name__.endswith(".plot")
from concurrent.futures import ThreadPoolExecutor
import pynvml, requests
assert not hasattr(sys.modules["charset_normalizer"], "__all__"), "the host has imported what guesses charsets"
answer = requests.Response()
answer._content = "gr\\u00fc\\u00dfe an alle, f\\u00fcr \\u00e4hnliches".encode("latin-1") * 20
with ThreadPoolExecutor(8) as threads:  # all at once, and the first one loads it
    for text in threads.map(lambda _: answer.text, range(8)):
        assert "gr\\u00fc\\u00dfe" in text
try:
    pynvml.nvmlInit()
except pynvml.NVMLError:
    assert "nvmlShutdown" not in vars(pynvml), "the host has imported what reads NVIDIA's GPUs"
assert issubclass(pynvml.NVMLError_NotFound, pynvml.NVMLError) and pynvml.nvmlInit.__module__ == "pynvml"
try:
    pynvml.nvmlInit()
except pynvml.NVMLError as error:
    assert error.value == pynvml.NVML_ERROR_LIBRARY_NOT_FOUND
print("whole")
"""
)


def test_charts_are_put_off_until_one_is_drawn() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120)
    assert done.stdout == "whole\n", done.stderr

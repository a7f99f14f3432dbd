"""SwanLab's charts are imported when one is drawn, and are then what they are."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from wandb_swan.mirror.host import _import_all
_import_all()
import swanlab
from swanlab.sdk.internal.run.components.consumer import builder
assert "pyecharts" not in sys.modules, "the host has imported the charts"
assert not isinstance(1.0, builder._EchartsType) and "pyecharts" not in sys.modules
table = swanlab.echarts.Table().add(["a"], [[1]])
from pyecharts.charts import Bar
for drawn in (table, Bar()):
    assert isinstance(drawn, builder._EchartsType)
assert type(table).__mro__[1].__module__.startswith("pyecharts.")
assert not isinstance("text", builder._EchartsType)
assert swanlab.echarts.Bar is Bar and swanlab.plot.__name__.endswith(".plot")
print("whole")
"""


def test_charts_are_put_off_until_one_is_drawn() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120)
    assert done.stdout == "whole\n", done.stderr

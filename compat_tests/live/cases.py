"""Every way to log: one wandb run for each function, as a user writes it."""

from __future__ import annotations

CASES = """
def no_step(run):
    for i in range(5):
        run.log({"loss": 1 / (i + 1), "i": i})

def explicit_sparse_and_mixed_steps(run):
    run.log({"a": 1}, step=0)
    run.log({"a": 2}, step=7)
    run.log({"b": 3})
    run.log({"a": 4}, step=1000)
    run.log({"a": 5})
    run.log({"a": 6}, step=10**9)

def commit_false_chains(run):
    run.log({"a": 1}, commit=False)
    run.log({"b": 2}, commit=False)
    run.log({"c": 3})
    run.log({"a": 4, "c": 1}, commit=False)
    run.log({"a": 5}, commit=True)

def commit_true_with_a_step(run):
    run.log({"a": 1}, step=3, commit=True)
    run.log({"a": 2}, step=3)
    run.log({"a": 3}, step=4, commit=True)
    run.log({"a": 4}, step=4, commit=True)
    run.log({"a": 5})

def same_step_again(run):
    run.log({"a": 1, "b": 1}, step=2)
    run.log({"a": 2}, step=2)
    run.log({"c": 3}, step=2)

def step_goes_back(run):
    run.log({"a": 1}, step=5)
    run.log({"a": 2}, step=3)
    run.log({"a": 3}, step=6)

def empty_log(run):
    run.log({})
    run.log({"a": 1})
    run.log({}, step=9)
    run.log({"a": 2})

def last_row_never_committed(run):
    run.log({"a": 1}, step=1)
    run.log({"a": 2}, step=2)
    run.log({"b": 3}, step=2, commit=False)

def nested(run):
    run.log({"train": {"loss": 1, "deep": {"er": 2}}, "empty": {}})
    run.log({"train": {"loss": 3}}, commit=False)
    run.log({"train": {"deep": {"er": 4}}})
    run.log({"train/loss": 5, "train": {"loss": 6}, "train.loss": 7})

def numpy_values(run):
    import numpy as np
    run.log({"f32": np.float32(0.1), "f64": np.float64(0.1), "i64": np.int64(3), "b": np.bool_(True),
             "zero_d": np.array(2.5), "one": np.array([3.5]), "f16": np.float16(0.5)})

def odd_numbers(run):
    nan, inf = float("nan"), float("inf")
    run.log({"t": True, "f": False, "nan": nan, "inf": inf, "minf": -inf, "none": None})
    run.log({"big": 2**53 + 1, "huge": 2**63, "vast": 10**300, "neg": -2**62, "tiny": 5e-324})
    run.log({"none": 1.5})

def odd_keys(run):
    run.log({"acc": 1, "acc.": 2, "/acc": 3, "acc/": 4, " acc": 5, "acc ": 6})
    run.log({"k" * 600: 1, "k" * 600 + "x": 2, "\u51c6\u786e\u7387": 3, "\U0001f600": 4, "tab\there": 5, "tab_here": 6,
             "__swanlab__.cpu": 7, "...": 8, "/": 9, "a b": 10, "a*": 11, "100%": 12, "x~1a2b3c4d": 13, "new\\nline": 14})

def strings_and_lists(run):
    run.log({"note": "hello", "list": [1, 2, 3], "mixed": ["a", 1, None], "empty": [], "text": "", "nanstr": "NaN"})
    run.log({"note": "\u4f60\u597d \U0001f600 " + "x" * 5000})
    run.log({"tuple": (1, 2), "set_of_dicts": [{"a": 1}]})

def type_changes(run):
    run.log({"v": 1})
    run.log({"v": "two"})
    run.log({"v": 3})
    run.log({"v": [4]})
    run.log({"v": {"w": 5}})
    run.log({"v": "six"})

def mutated_after_log(run):
    row = {"a": 1, "n": {"b": 1}}
    run.log(row)
    row["a"] = 99
    row["n"]["b"] = 99
    run.log(row)

def metrics_with_axes(run):
    run.define_metric("epoch")
    run.define_metric("val/*", step_metric="epoch")
    run.define_metric("best", step_metric="epoch", hidden=True)
    run.define_metric("late", step_metric="epoch", step_sync=False)
    for i in range(9):
        run.log({"val/acc": i / 10, "epoch": i // 3})
        run.log({"best": i})
        run.log({"late": i, "other": 1})

def many_threads(run):
    import threading
    def work(n):
        for i in range(50):
            run.log({f"t{n}": i, "shared": n * 1000 + i})
    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]

def large_row(run):
    run.log({f"m/{i}": i for i in range(3000)})
    run.log({"blob": "y" * 200_000, "a": 1})
"""

NAMES = [line[4:].split("(")[0] for line in CASES.splitlines() if line.startswith("def ")]

MEDIA_IN_SUMMARY = """
import numpy as np

def picture(n, **more):
    return wandb.Image(np.full((4, 6, 3), 20 * n, dtype=np.uint8), **more)

def masks():
    drawn = np.array([[0, 1, 1, 0, 0, 2]] * 4)
    return {layer: {"mask_data": drawn, "class_labels": {0: "a", 1: "b", 2: "c"}} for layer in ("truth", "model")}

def sound():
    return wandb.Audio(np.sin(np.arange(400) / 5), sample_rate=8000)

for run_id in ("plain", "declared"):
    run = wandb.init(project="p", id=run_id)
    if run_id == "declared":
        run.define_metric("*", summary="max,last")
    for i in range(3):
        table = wandb.Table(columns=["x", "y"], data=[[1, 2], [3, i]])
        run.log({
            "overlays": [picture(n, masks=masks(), caption=f"c{n}") for n in range(2)],
            "once captioned": picture(i, caption="c") if i == 0 else picture(i),
            "a/b": [picture(n) for n in range(2)],
            "dotted.name": picture(i),
            "deep": {"picture": picture(i), "sounds": [sound(), sound()], "x": i},
            "pages": [wandb.Html("<b>x</b>"), wandb.Html("<i>y</i>")],
            "cloud": [wandb.Object3D(np.arange(30.0).reshape(10, 3) + n) for n in range(2)],
            "histogram": wandb.Histogram([1, 2, 3]),
            "histograms": [wandb.Histogram([1, 2]), wandb.Histogram([2, 3])],
            "tables": [table, wandb.Table(columns=["a"], data=[[1]])],
            "list": [{"b": 1, "a": [2]}, {"a": 1}],
            "loss": 3 - i,
        })
        run.log({"chart": wandb.plot.line(table, "x", "y")})
    run.summary["set"] = {"a": 1.5}
    run.summary["set picture"] = picture(5)
    run.finish()
"""
"""Media in every form, which wandb's summary has too, in a run whose metrics declare their summaries and in one whose do not."""
SUMMARIES = {
    "plain": {"set": {"a": 1.5}},
    "declared": {
        "set": {"a": 1.5}, "loss": {"last": 1, "max": 3}, "deep": {"x": {"last": 2, "max": 2}},
        "list": {"last": [{"a": [2], "b": 1}, {"a": 1}], "max": 0}, "histograms": {"max": 0}, "tables": {"max": 0},
    },
}  # fmt: skip
"""What SwanLab's config has of their summaries, but for the picture that was set. wandb's core says of a list that its
largest is 0."""

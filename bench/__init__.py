"""What wandb_swan costs, measured beside bare wandb and SwanLab's own tools: `python -m bench`, a subject a module.

`figures` has what is measured and the goals, `frame` what the subjects stand on. `fidelity` and the program that it
runs are of another kind: what arrives.
"""

"""What happened in a run, from any source: wandb's protobuf records become events, partial history becomes rows.

Begin with `events`: everything else here makes them (`records`, `items`, `kinds`, `wire`, `console`) or has a rule of
wandb's that everybody follows: which call makes which row (`steps`), what is set and removed (`config`, `nested`), what
a value is (`values`), how a run ended (`state`).
"""

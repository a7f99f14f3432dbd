"""What comparing one metric has found."""

from __future__ import annotations

from collections import Counter

NOUNS = {
    "image": "pictures",
    "audio": "sounds",
    "video": "videos",
    "html": "pages",
    "object3d": "3D scenes",
    "molecule": "molecules",
    "echarts": "tables and charts",
    "text": "texts",
}
NO_END = "wandb's log has no end"
BEYOND = "in SwanLab, after the end of wandb's log, which was cut"
"""Of a killed run, the last block of wandb's log may be lost."""


class Tally:
    """What comparing one metric has found so far."""

    def __init__(self) -> None:
        self.missing = self.extra = self.different = self.other_time = 0
        self.time_shift = 0.0
        self.examples: list[str] = []
        self.how: Counter[str] = Counter()
        """How items were found to be the same -> how many."""
        self.same = self.items = 0
        self.not_compared: Counter[str] = Counter()

    def time(self, ours: float, theirs: float | None, clock: float) -> None:
        """Two times of a point; they are the same where they are no more than `clock` seconds apart."""
        if ours and theirs is not None:
            shift = abs(ours - theirs)
            self.time_shift = max(self.time_shift, shift)
            self.other_time += shift > clock

    def differs(self, step: int, what: str) -> None:
        self.different += 1
        self.example(f"step {step}: {what}")

    def example(self, text: str) -> None:
        if len(self.examples) < 3:
            self.examples.append(text)

    def compared(self, noun: str, looked_into: int) -> str:
        how = ", ".join(f"{how} ({count})" if len(self.how) > 1 else how for how, count in self.how.most_common())
        sample = f" ({looked_into:,} looked into)" if looked_into < self.items else ""
        return f"{self.same:,} of {self.items:,} {noun}{sample}" + (f", {how}" if how else "")
